"""The index page: accounting, files left out, and the table of targets.

The table is JSON for the browser's script, and plain pages for print and for browsers
without JavaScript.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment

from pytest_safegen.api import Finding, Release, Run, Verdict, write_text
from safegen_reports.findings import (
    ACCOUNTING_STEPS,
    HeadlineGroup,
    explanation_of,
    headline_groups,
    headline_of,
    worst_first,
)
from safegen_reports.html.targets import Target

VERDICTS_WORST_FIRST = tuple(sorted(Verdict, key=lambda verdict: -verdict.rank))
TARGET_KINDS = ("scan", "series", "unknown")
MAX_CARDS = 12
MAX_SHARED_HEADLINES = 20


@dataclass(frozen=True, slots=True)
class AccountingStep:
    """One number of the accounting, with the sign that stands before it."""

    sign: str
    name: str
    count: int | None


@dataclass(frozen=True, slots=True)
class LeftOutFile:
    """A file that discovery left out; `path` is relative to its data root."""

    path: str
    reason: str


def accounting(run: Run) -> list[AccountingStep]:
    """Discovered, collected, judged, reported, with "=" or "≠" between; a missing count is ≠."""
    counts = [run.counts.get(name) for name in ACCOUNTING_STEPS]
    equal = [a is not None and a == b for a, b in pairwise(counts)]
    signs = ["", *("=" if same else "≠" for same in equal)]
    return [AccountingStep(*step) for step in zip(signs, ACCOUNTING_STEPS, counts, strict=True)]


def left_out_files(releases: Sequence[Release]) -> list[LeftOutFile]:
    """The files that discovery left out, with the reasons."""
    return [
        LeftOutFile(_relative_path(str(missed.path), str(release.root)), missed.reason)
        for release in releases
        for missed in release.left_out
    ]


def table_data(
    rows: Sequence[Target], checks: Sequence[str], thumbnails: Mapping[str, str]
) -> dict[str, Any]:
    """The table of targets by checks as JSON, short enough for ten thousand rows.

    A row is `[name, stem of its page, kind, search terms, verdict, cells, headline, picture]`:
    kind and verdict as indices of `kinds` and `verdicts` (-1: not judged), a cell as
    `[check, verdict, score or null]`, the headline of the worst finding, "" where it passed, and
    1 where there is a thumbnail.
    """
    indices = {name: index for index, name in enumerate(checks)}
    return {
        "checks": list(checks),
        "kinds": list(TARGET_KINDS),
        "verdicts": [str(verdict) for verdict in VERDICTS_WORST_FIRST],
        "rows": [
            _encode_row(target, indices, pictured=target.name in thumbnails) for target in rows
        ],
    }


def worst_by_check(findings: Sequence[Finding]) -> dict[str, Finding]:
    """The worst finding of each check, of findings that come worst first."""
    worst: dict[str, Finding] = {}
    for finding in findings:
        worst.setdefault(finding.check, finding)
    return worst


def shared_headlines(findings: Sequence[Finding]) -> list[HeadlineGroup]:
    """The headlines that several scans or series have in common, the worst first."""
    groups = headline_groups([each for each in findings if each.target])
    return [group for group in groups if len(group.findings) > 1][:MAX_SHARED_HEADLINES]


def card_findings(findings: Sequence[Finding]) -> list[Finding]:
    """The worst finding of each headline, as many as get a card.

    A headline that several targets share stands in a line of its own, and has a card only if there
    is a heatmap to show.
    """
    groups = headline_groups([each for each in findings if each.target])
    first = [
        next((each for each in group.findings if each.heatmap), group.findings[0])
        for group in groups
        if len(group.findings) == 1 or any(each.heatmap for each in group.findings)
    ]
    return worst_first(first)[:MAX_CARDS]


def _relative_path(path: str, root: str) -> str:
    return path.removeprefix(root).lstrip("/\\") or path


def _encode_row(target: Target, indices: Mapping[str, int], *, pictured: bool) -> list[Any]:
    return [
        target.name,
        target.stem,
        TARGET_KINDS.index(target.kind),
        _search_terms(target),
        VERDICTS_WORST_FIRST.index(target.verdict) if target.verdict else -1,
        [
            _encode_cell(indices[name], finding)
            for name, finding in worst_by_check(target.findings).items()
        ],
        _worst_headline(target),
        int(pictured),
    ]


def _worst_headline(target: Target) -> str:
    return headline_of(target.findings[0]) if target.findings else ""


def _search_terms(target: Target) -> str:
    """Subject, sessions, modalities and further headlines, unless they are in the row already."""
    terms = {target.subject, *(ref.session or "" for ref in target.refs)}
    terms |= {ref.modality or "" for ref in target.refs}
    terms |= {headline_of(finding) for finding in target.findings} - {_worst_headline(target)}
    return " ".join(sorted(term for term in terms if term and term not in target.name))


def _encode_cell(check: int, finding: Finding) -> list[Any]:
    score = finding.score
    shown = float(f"{score:.4g}") if score is not None and math.isfinite(score) else None
    return [check, VERDICTS_WORST_FIRST.index(finding.verdict), shown]


ROWS_PER_PAGE = 500


@dataclass(frozen=True, slots=True)
class ListRow:
    """One row: the target, its finding of each check or None, and what is wrong with it."""

    target: Target
    findings: tuple[Finding | None, ...]
    headline: str
    explanation: str


def write_list_pages(
    rows: Sequence[Target],
    checks: Sequence[str],
    run: Run,
    folder: Path,
    environment: Environment,
) -> list[str]:
    """Write `lists/1.html` and so on, 500 targets each; the paths of the pages."""
    template = environment.get_template("list.html")
    parts = [rows[first : first + ROWS_PER_PAGE] for first in range(0, len(rows), ROWS_PER_PAGE)]
    paths = [f"lists/{number}.html" for number in range(1, len(parts) + 1)]
    for number, (path, part) in enumerate(zip(paths, parts, strict=True), start=1):
        lines = [_list_row(target, checks) for target in part]
        html = template.render(
            run=run, lines=lines, checks=checks, lists=paths, number=number, root="../"
        )
        write_text(folder / path, html, durable=False)
    return paths


def _list_row(target: Target, checks: Sequence[str]) -> ListRow:
    worst = worst_by_check(target.findings)
    found = tuple(worst.get(check) for check in checks)
    headline = _worst_headline(target)
    return ListRow(target, found, headline, explanation_of(target.findings[0]) if headline else "")
