"""The table of all targets as plain pages: for print, and for a browser without JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment

from pytest_safegen.api import Finding, Run, write_text
from safegen_reports.html.summary import cells, sentence
from safegen_reports.html.targets import Target

ROWS_A_PAGE = 500
LONGEST_SENTENCE = 400


@dataclass(frozen=True, slots=True)
class Line:
    """One row: the target, its finding of each check or None, and what is wrong."""

    target: Target
    findings: tuple[Finding | None, ...]
    sentence: str


def write_lists(
    rows: Sequence[Target],
    checks: Sequence[str],
    run: Run,
    folder: Path,
    environment: Environment,
) -> list[str]:
    """Write `lists/1.html` and so on, some hundred targets each; the paths of the pages."""
    template = environment.get_template("list.html")
    parts = [rows[first : first + ROWS_A_PAGE] for first in range(0, len(rows), ROWS_A_PAGE)]
    paths = [f"lists/{number}.html" for number in range(1, len(parts) + 1)]
    for number, (path, part) in enumerate(zip(paths, parts, strict=True), start=1):
        lines = [_line(target, checks) for target in part]
        html = template.render(
            run=run, lines=lines, checks=checks, lists=paths, number=number, root="../"
        )
        write_text(folder / path, html)
    return paths


def _line(target: Target, checks: Sequence[str]) -> Line:
    worst = cells(target.findings)
    found = tuple(worst.get(check) for check in checks)
    return Line(target, found, sentence(target, LONGEST_SENTENCE))
