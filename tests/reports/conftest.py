"""The report that the tests of this folder look at."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from browser import browser
from report_site import Site, write_site

__all__ = ["browser"]


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """What `site` is a copy of; nobody changes it."""
    return write_site(tmp_path_factory.mktemp("pristine"))


@pytest.fixture
def site(pristine: Site, tmp_path: Path) -> Site:
    """The report of a release with a passing scan, a failing series, and a broken, hostile scan."""
    shutil.copytree(pristine.folder, tmp_path / "report")
    return dataclasses.replace(pristine, folder=tmp_path / "report")


@pytest.fixture
def explained(site: Site) -> Site:
    """The same report, whose failing scan has two more maps."""
    return site.explained()
