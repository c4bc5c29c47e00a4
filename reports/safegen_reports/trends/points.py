"""From runs to points: failed shares and medians per check, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pytest_safegen.api import Finding, Run, Verdict

MOST_MEASURES = 40


@dataclass(frozen=True, slots=True)
class Point:
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
    points: tuple[Point | None, ...]


def trends_of(runs: Sequence[Run]) -> list[Trend]:
    """Every trend, check by check: the failed share first, then the score, then measures."""
    found = []
    for check in sorted({f.check for run in runs for f in run.findings if f.target}):
        found.append(Trend(check, "failed share", tuple(_failed(run, check) for run in runs)))
        names = sorted({name for run in runs for f in _of(run, check) for name in _numbers(f)})
        names.sort(key=lambda name: name != "score")
        for name in names[:MOST_MEASURES]:
            found.append(Trend(check, name, tuple(_middle(run, check, name) for run in runs)))
    return [trend for trend in found if any(trend.points)]


def _failed(run: Run, check: str) -> Point | None:
    found = _of(run, check)
    if not found:
        return None
    failed = sum(f.verdict.blocks or f.verdict is Verdict.WAIVED for f in found)
    low, high = wilson(failed, len(found))
    return Point(run, failed / len(found), low, high, len(found))


def _middle(run: Run, check: str, name: str) -> Point | None:
    values = sorted(_numbers(f)[name] for f in _of(run, check) if name in _numbers(f))
    if not values:
        return None
    low, high = median_interval(values)
    return Point(run, median(values), low, high, len(values))


def wilson(failed: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927).

    >>> [round(end, 3) for end in wilson(0, 60)]
    [0.0, 0.06]
    """
    z = 1.96
    middle = (failed + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * (failed * (n - failed) / n + z * z / 4) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the median of sorted values, from their ranks (Conover 1971).

    >>> median_interval([1.0, 2.0, 3.0])
    (1.0, 3.0)
    """
    n = len(values)
    half = 1.96 * n**0.5 / 2
    low = max(0, round(n / 2 - half))
    high = min(n - 1, round(1 + n / 2 + half) - 1)
    return values[low], values[high]


def _of(run: Run, check: str) -> list[Finding]:
    return [f for f in run.findings if f.check == check and f.target]


def _numbers(finding: Finding) -> dict[str, float]:
    head = {} if finding.score is None else {"score": finding.score}
    return {m.name: m.value for m in finding.measures} | head
