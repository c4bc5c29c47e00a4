"""The settings of a pytest run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_safegen.config.options import OPTIONS
from pytest_safegen.config.settings import Settings, resolve


def settings_of(config: pytest.Config, given: Mapping[str, Any]) -> Settings:
    """The settings of a pytest run; `given` are the options of its command line."""
    names = [option.name for option in OPTIONS]
    return resolve(
        root=config.rootpath,
        command_line={name: given.get(f"safegen_{name}") for name in names},
        ini={name: config.getini(f"safegen_{name}") for name in names},
        here=config.invocation_params.dir,
    )
