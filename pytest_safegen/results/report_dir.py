"""Make room for a report: what an earlier run wrote is removed, and nothing else ever is."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from pytest_safegen.core.codec import decode_finding
from pytest_safegen.core.errors import SafegenError, UsageProblem
from pytest_safegen.results.files import GATE_FILE, RESULTS_FILE, ROWS_FILE, RUN_FILE

FOLDERS = ("heatmaps", "scans", "series", "lists", "images", "volumes", "assets")
FILES = (
    RESULTS_FILE,
    ROWS_FILE,
    RUN_FILE,
    GATE_FILE,
    "index.html",
    "summary.md",
    "findings.csv",
    "safegen.sarif",
    "comment.md",
)


def clear_report(folder: Path, *, scans: Iterable[Path]) -> None:
    """Remove an earlier report from a folder; `scans` are folders that must stay untouched.

    Raises:
        UsageProblem: the folder is no place for a report.
    """
    if any(root.is_relative_to(folder) for root in scans):
        raise UsageProblem(f"The report folder {folder} holds the scans; name another one.")
    if folder.exists() and not folder.is_dir():
        raise UsageProblem(f"The report folder {folder} is a file; name another one.")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not _holds_report(folder):
        raise UsageProblem(
            f"The report folder {folder} is not empty and holds no report; name another one."
        )
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)


def _holds_report(folder: Path) -> bool:
    """True if the results in a folder are findings; other tools write a results.jsonl too."""
    try:
        with (folder / RESULTS_FILE).open(encoding="utf-8") as lines:
            first = next(lines, None)
        if first is None:
            return {path.name for path in folder.iterdir()} <= set(FILES)
        decode_finding(first)
    except (OSError, ValueError, SafegenError):
        return False
    return True
