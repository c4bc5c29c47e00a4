"""Keep pytest from importing a conftest.py found among the scans: data is never run as code.

pytest imports the conftest.py of every folder that an argument points to or into, and of folders
called `test*` in it, long before it collects. What is collected in a data folder is in `nodes`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_safegen.core.errors import SafegenError
from pytest_safegen.pytest_plugin.settings import settings_of

CONFTEST = "conftest.py"


class SkippedConftest:
    """A placeholder in pytest's list of plug-ins for a conftest.py that is not imported."""


def block_conftests(config: pytest.Config, given: Mapping[str, Any]) -> None:
    """Register a placeholder for each conftest.py in a data folder, so that pytest imports none.

    `given` are the options of the command line. A data folder that holds the project is left
    alone: there, scans and the project's own code cannot be told apart.
    """
    try:
        data = settings_of(config, given).data
    except SafegenError:
        return  # pytest_configure reports the error
    roots = [root for root in data if not config.rootpath.is_relative_to(root)]
    known = {name for name, _ in config.pluginmanager.list_name_plugin()}
    for folder in _searched(config, given["file_or_dir"]):
        # pytest registers a conftest.py under its path and imports none that is registered.
        name = str(folder / CONFTEST)
        if name not in known and any(folder.is_relative_to(root) for root in roots):
            known.add(name)
            config.pluginmanager.register(SkippedConftest(), name)


def _searched(config: pytest.Config, arguments: list[str]) -> Iterator[Path]:
    """Every folder whose conftest.py pytest imports at start-up."""
    here = config.invocation_params.dir
    for text in [*arguments, *config.getini("testpaths"), "."]:
        path = Path(os.path.normpath(here / text.partition("::")[0]))
        for place in (path, *path.glob("test*")) if path.is_dir() else (path.parent,):
            yield from (place, *place.parents)
