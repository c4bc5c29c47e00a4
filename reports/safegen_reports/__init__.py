"""The reports that come with the gate; each is a plug-in like a stranger's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_safegen import hookimpl

if TYPE_CHECKING:
    from pytest_safegen import Release, Run


@hookimpl
def safegen_write_report(run: Run, releases: Sequence[Release], folder: Path) -> None:
    """Write the offline HTML report: `index.html`, and a page for every scan and judged series."""
    from safegen_reports.html.report import write

    write(run, releases, folder)
