"""Failure rates and medians of a check over runs, each with its 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pytest_safegen.api import Finding, Run, Verdict
from safegen_reports.intervals import median_interval, wilson_interval

MAX_MEASURES = 40


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One run's value of one number, with the 95 % interval of it, of n scans."""

    run: Run
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Trend:
    """One number over the runs; a run that did not measure it has no point."""

    check: str
    name: str
    points: tuple[TrendPoint | None, ...]


def run_trends(runs: Sequence[Run]) -> list[Trend]:
    """Every trend, check by check: the failed share first, then the score, then measures."""
    found = []
    for check in sorted({f.check for run in runs for f in run.findings if f.target}):
        found.append(Trend(check, "failed share", tuple(_failure_rate(run, check) for run in runs)))
        names = sorted(
            {name for run in runs for f in _findings_of(run, check) for name in _measured_values(f)}
        )
        names.sort(key=lambda name: name != "score")
        for name in names[:MAX_MEASURES]:
            found.append(Trend(check, name, tuple(_median_point(run, check, name) for run in runs)))
    return [trend for trend in found if any(trend.points)]


def _failure_rate(run: Run, check: str) -> TrendPoint | None:
    found = _findings_of(run, check)
    if not found:
        return None
    failed = sum(f.verdict.blocks or f.verdict is Verdict.WAIVED for f in found)
    low, high = wilson_interval(failed, len(found))
    return TrendPoint(run, failed / len(found), low, high, len(found))


def _median_point(run: Run, check: str, name: str) -> TrendPoint | None:
    values = sorted(
        _measured_values(f)[name] for f in _findings_of(run, check) if name in _measured_values(f)
    )
    if not values:
        return None
    low, high = median_interval(values)
    return TrendPoint(run, median(values), low, high, len(values))


def _findings_of(run: Run, check: str) -> list[Finding]:
    return [f for f in run.findings if f.check == check and f.target]


def _measured_values(finding: Finding) -> dict[str, float]:
    head = {} if finding.score is None else {"score": finding.score}
    return {m.name: m.value for m in finding.measures} | head
