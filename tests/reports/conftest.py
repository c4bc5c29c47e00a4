"""The report that the tests of this folder look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_site import Site, write_site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The report of a release with a passing scan, a failing series, and a broken, hostile scan."""
    return write_site(tmp_path)


@pytest.fixture
def explained(site: Site) -> Site:
    """The same report, whose failing scan has two more maps."""
    return site.explained()
