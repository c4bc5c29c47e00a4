"""A check over the whole release: every scan a dot above the scores of real scans.

Dots are stacked where their scores are alike. All dots of one verdict are one path, so that ten
thousand of them cost a browser little.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.api import Finding, Run, Verdict
from safegen_reports.html.axes import Axis, Mark, axis_of, finite, number_or_none
from safegen_reports.html.distribution import Bar, bars, histogram
from safegen_reports.html.targets import worst_first

LEFT, RIGHT, TOP, FLOOR, BOTTOM = 12.0, 748.0, 22.0, 92.0, 128.0
"""Dots stand on the floor; the bars of real scans hang below it. The picture is 760 by 156."""
SIZES = (10.0, 8.0, 6.0, 4.0)


@dataclass(frozen=True, slots=True)
class Dots:
    """The dots of one verdict, as the data of a path whose every subpath is a point."""

    verdict: Verdict
    path: str
    count: int


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the dot of a finding is."""

    x: float
    y: float
    finding: Finding


@dataclass(frozen=True, slots=True)
class Strip:
    """One check: counts of verdicts, the dots, the real scans' scores, limits and their source."""

    name: str
    counts: Mapping[Verdict, int]
    dots: tuple[Dots, ...]
    bars: tuple[Bar, ...]
    ticks: tuple[Mark, ...]
    limit: Mark | None
    warn_limit: Mark | None
    source: str
    calibration_count: int
    dot: float
    beyond: int
    unscored: int

    @property
    def total(self) -> int:
        """How many findings the check has."""
        return sum(self.counts.values())


def strips(run: Run) -> list[Strip]:
    """A strip for every check of scans or series, in the order in which the run met them."""
    groups: dict[str, list[Finding]] = {}
    for finding in run.findings:
        if finding.target:
            groups.setdefault(finding.check, []).append(finding)
    return [_strip(name, group, _calibration(run, name)) for name, group in groups.items()]


def _calibration(run: Run, check: str) -> Mapping[str, Any]:
    """What the limits of a check are from; of several modalities all scores together."""
    known = [c for name, c in run.calibrations.items() if name.partition(":")[0] == check]
    if len(known) <= 1:
        return known[0] if known else {}
    scores = [score for each in known for score in each.get("scores", ())]
    sources = dict.fromkeys(str(each.get("source", "")) for each in known)
    return {"scores": scores, "source": "; ".join(sources)}


def _strip(name: str, findings: Sequence[Finding], calibration: Mapping[str, Any]) -> Strip:
    real = finite(calibration.get("scores", ()))
    scored = [each for each in worst_first(findings) if number_or_none(each.score) is not None]
    scores = [float(each.score or 0.0) for each in scored]
    limit, warn = _limit(findings, calibration), number_or_none(calibration.get("warn_limit"))
    fixed = [value for value in (limit, warn) if value is not None]
    fixed += [float(real.min()), float(real.max())] if real.size else []
    axis = axis_of(fixed or scores or [0.0], scores or [0.0], left=LEFT, right=RIGHT)
    size, spots = _stacked(scored, axis)
    return Strip(
        name=name,
        counts=Counter(finding.verdict for finding in findings),
        dots=_paths(spots),
        bars=_hanging(real, axis) if real.size else (),
        ticks=axis.ticks,
        limit=axis.optional(limit),
        warn_limit=axis.optional(warn),
        source=str(calibration.get("source") or ""),
        calibration_count=int(real.size),
        dot=size,
        beyond=sum(axis.mark(score).beyond for score in scores),
        unscored=len(findings) - len(scored),
    )


def _limit(findings: Sequence[Finding], calibration: Mapping[str, Any]) -> float | None:
    """The limit that all findings share, else that of the calibration."""
    limits = {each.threshold for each in findings if each.threshold is not None}
    return number_or_none(limits.pop() if len(limits) == 1 else calibration.get("limit"))


def _stacked(findings: Sequence[Finding], axis: Axis) -> tuple[float, list[Spot]]:
    """Dots on top of each other where they would overlap, as large as the stacks allow.

    The worst stand lowest, to be found; stacks that are too high for any size are squeezed.
    """
    xs = [axis.mark(float(finding.score or 0.0)).x for finding in findings]
    size = next((size for size in SIZES if _tallest(xs, size) * size <= FLOOR - TOP), SIZES[-1])
    step = min(size, (FLOOR - TOP) / max(_tallest(xs, size), 1))
    rows: Counter[int] = Counter()
    spots = []
    for x, finding in zip(xs, findings, strict=True):
        column = _column(x, size)
        y = FLOOR - size / 2 - 1 - rows[column] * step
        spots.append(Spot(round(LEFT + column * size, 1), round(y, 1), finding))
        rows[column] += 1
    return size, spots


def _column(x: float, size: float) -> int:
    return round((x - LEFT) / size)


def _tallest(xs: Sequence[float], size: float) -> int:
    return max(Counter(_column(x, size) for x in xs).values(), default=0)


def _paths(spots: Sequence[Spot]) -> tuple[Dots, ...]:
    groups: dict[Verdict, list[Spot]] = defaultdict(list)
    for spot in spots:
        groups[spot.finding.verdict].append(spot)
    return tuple(
        Dots(verdict, "".join(f"M{spot.x:g} {spot.y:g}h0" for spot in groups[verdict]), len(group))
        for verdict, group in sorted(groups.items(), key=lambda pair: pair[0].rank)
    )


def _hanging(real: NDArray[np.float64], axis: Axis) -> tuple[Bar, ...]:
    """The histogram of real scans, upside down below the floor."""
    standing = bars(*histogram(real, axis), axis, top=FLOOR, bottom=BOTTOM)
    return tuple(Bar(bar.x, FLOOR, bar.width, bar.height, bar.count) for bar in standing)
