"""The numbers of the index: the accounting, each check's counts and limits, the table's data."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pytest_safegen import Finding, Release, Run, Verdict
from safegen_reports.html.targets import Target

STEPS = ("discovered", "collected", "judged", "reported")
BADNESS = tuple(sorted(Verdict, key=lambda verdict: -verdict.rank))
"""The verdicts, worst first."""


@dataclass(frozen=True, slots=True)
class Step:
    """One number of the accounting, with the sign that stands before it."""

    sign: str
    name: str
    count: int | None


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """One check over the whole run: how often each verdict, its limits, and where they are from."""

    name: str
    counts: Mapping[Verdict, int]
    limit: float | None
    warn_limit: float | None
    source: str
    calibration_count: int

    @property
    def total(self) -> int:
        """How many findings the check has."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Missed:
    """A file that discovery left out; `path` is relative to its data root."""

    path: str
    reason: str


def accounting(run: Run) -> list[Step]:
    """Discovered, collected, judged, reported, with "=" or "≠" between; a missing count is ≠."""
    counts = [run.counts.get(name) for name in STEPS]
    equal = [a is not None and a == b for a, b in pairwise(counts)]
    signs = ["", *("=" if same else "≠" for same in equal)]
    return [Step(*step) for step in zip(signs, STEPS, counts, strict=True)]


def check_summaries(run: Run) -> list[CheckSummary]:
    """Every check with a finding, in the order in which the run met them."""
    groups: dict[str, list[Finding]] = {}
    for finding in run.findings:
        groups.setdefault(finding.check, []).append(finding)
    return [_summary(name, findings, run) for name, findings in groups.items()]


def left_out(releases: Sequence[Release]) -> list[Missed]:
    """What discovery left out, with its reason."""
    return [
        Missed(_relative(str(missed.path), str(release.root)), missed.reason)
        for release in releases
        for missed in release.left_out
    ]


def table(rows: Sequence[Target], checks: Sequence[str]) -> dict[str, Any]:
    """The table of targets by checks as JSON.

    A row is `[name, page, kind, words to search, verdict, cells]`; `cells` has, per check, the
    verdict, the score or null, and the reason unless it passed.
    """
    return {
        "checks": list(checks),
        "verdicts": [str(verdict) for verdict in BADNESS],
        "rows": [_row(target) for target in rows],
    }


def _summary(name: str, findings: Sequence[Finding], run: Run) -> CheckSummary:
    calibration = run.calibrations.get(name, {})
    limits = {finding.threshold for finding in findings if finding.threshold is not None}
    return CheckSummary(
        name=name,
        counts=Counter(finding.verdict for finding in findings),
        limit=limits.pop() if len(limits) == 1 else calibration.get("limit"),
        warn_limit=calibration.get("warn_limit"),
        source=str(calibration.get("source") or ""),
        calibration_count=len(calibration.get("scores", ())),
    )


def _relative(path: str, root: str) -> str:
    return path.removeprefix(root).lstrip("/\\") or path


def _row(target: Target) -> list[Any]:
    words = {target.subject, *(ref.session or "" for ref in target.refs)}
    words |= {ref.modality or "" for ref in target.refs}
    verdict = str(target.verdict) if target.verdict else ""
    search = " ".join(sorted(words - {""}))
    return [target.name, target.page, target.kind, search, verdict, _cells(target.findings)]


def _cells(findings: Sequence[Finding]) -> dict[str, list[Any]]:
    """The worst finding of each check; the findings come worst first."""
    cells: dict[str, list[Any]] = {}
    for finding in findings:
        cells.setdefault(finding.check, _cell(finding))
    return cells


def _cell(finding: Finding) -> list[Any]:
    score = finding.score
    shown = score if score is not None and math.isfinite(score) else None
    reason = "" if finding.verdict is Verdict.PASS else finding.reason
    return [str(finding.verdict), shown, reason]
