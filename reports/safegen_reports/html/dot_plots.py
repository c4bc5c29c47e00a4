"""Dot plot of a check: a dot per finding above a histogram of the calibration scores.

Dots with similar scores are stacked. All dots of one verdict are one SVG path, so that a
browser draws ten thousand of them quickly.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.api import Calibration, Finding, Run, Verdict
from safegen_reports.html.charts import (
    Axis,
    AxisPosition,
    Bar,
    bin_scores,
    finite_or_none,
    finite_values,
    fit_axis,
    histogram_bars,
)
from safegen_reports.html.targets import worst_first

LEFT, RIGHT, TOP, FLOOR, BOTTOM = 12.0, 748.0, 22.0, 92.0, 128.0
"""Dots stand on the floor; the bars of real scans hang below it. The picture is 760 by 156."""
DOT_SIZES = (10.0, 8.0, 6.0, 4.0)


@dataclass(frozen=True, slots=True)
class DotPath:
    """The dots of one verdict, as the data of a path whose every subpath is a point."""

    verdict: Verdict
    path: str
    count: int


@dataclass(frozen=True, slots=True)
class PlacedDot:
    """Where the dot of a finding is."""

    x: float
    y: float
    finding: Finding


@dataclass(frozen=True, slots=True)
class DotPlot:
    """One check: counts of verdicts, the dots, the real scans' scores, limits and their source."""

    name: str
    counts: Mapping[Verdict, int]
    dots: tuple[DotPath, ...]
    bars: tuple[Bar, ...]
    ticks: tuple[AxisPosition, ...]
    limit: AxisPosition | None
    warn_limit: AxisPosition | None
    source: str
    calibration_count: int
    dot: float
    beyond: int
    unscored: int

    @property
    def total(self) -> int:
        """How many findings the check has."""
        return sum(self.counts.values())


def dot_plots(run: Run) -> list[DotPlot]:
    """A strip for every check of scans or series, in the order in which the run met them."""
    groups: dict[str, list[Finding]] = {}
    for finding in run.findings:
        if finding.target:
            groups.setdefault(finding.check, []).append(finding)
    return [_dot_plot(name, group, _calibration(run, name)) for name, group in groups.items()]


def _calibration(run: Run, check: str) -> Calibration:
    """What the limits of a check are from; of several modalities all scores together."""
    known = list(run.calibrations.get(check, {}).values())
    if len(known) <= 1:
        return known[0] if known else Calibration(())
    scores = tuple(score for each in known for score in each.scores)
    return Calibration(scores, "; ".join(dict.fromkeys(each.source for each in known)))


def _dot_plot(name: str, findings: Sequence[Finding], calibration: Calibration) -> DotPlot:
    real = finite_values(calibration.scores)
    scored = [each for each in worst_first(findings) if finite_or_none(each.score) is not None]
    scores = [float(each.score or 0.0) for each in scored]
    limit, warn = (
        _common_limit(findings, calibration),
        finite_or_none(calibration.warn_limit),
    )
    fixed = [value for value in (limit, warn) if value is not None]
    fixed += [float(real.min()), float(real.max())] if real.size else []
    axis = fit_axis(fixed or scores or [0.0], scores or [0.0], left=LEFT, right=RIGHT)
    size, spots = _stack_dots(scored, axis)
    return DotPlot(
        name=name,
        counts=Counter(finding.verdict for finding in findings),
        dots=_dot_paths(spots),
        bars=_calibration_bars(real, axis) if real.size else (),
        ticks=axis.ticks,
        limit=axis.optional(limit),
        warn_limit=axis.optional(warn),
        source=calibration.source,
        calibration_count=int(real.size),
        dot=size,
        beyond=sum(axis.mark(score).beyond for score in scores),
        unscored=len(findings) - len(scored),
    )


def _common_limit(findings: Sequence[Finding], calibration: Calibration) -> float | None:
    """The limit that all findings share, else that of the calibration."""
    limits = {each.threshold for each in findings if each.threshold is not None}
    return finite_or_none(limits.pop() if len(limits) == 1 else calibration.limit)


def _stack_dots(findings: Sequence[Finding], axis: Axis) -> tuple[float, list[PlacedDot]]:
    """Dots on top of each other where they would overlap, as large as the stacks allow.

    The worst stand lowest, to be found; stacks that are too high for any size are squeezed.
    """
    xs = [axis.mark(float(finding.score or 0.0)).x for finding in findings]
    size = next(
        (size for size in DOT_SIZES if _tallest_stack(xs, size) * size <= FLOOR - TOP),
        DOT_SIZES[-1],
    )
    step = min(size, (FLOOR - TOP) / max(_tallest_stack(xs, size), 1))
    rows: Counter[int] = Counter()
    spots = []
    for x, finding in zip(xs, findings, strict=True):
        column = _stack_column(x, size)
        y = FLOOR - size / 2 - 1 - rows[column] * step
        spots.append(PlacedDot(round(LEFT + column * size, 1), round(y, 1), finding))
        rows[column] += 1
    return size, spots


def _stack_column(x: float, size: float) -> int:
    return round((x - LEFT) / size)


def _tallest_stack(xs: Sequence[float], size: float) -> int:
    return max(Counter(_stack_column(x, size) for x in xs).values(), default=0)


def _dot_paths(spots: Sequence[PlacedDot]) -> tuple[DotPath, ...]:
    groups: dict[Verdict, list[PlacedDot]] = defaultdict(list)
    for spot in spots:
        groups[spot.finding.verdict].append(spot)
    return tuple(
        DotPath(
            verdict, "".join(f"M{spot.x:g} {spot.y:g}h0" for spot in groups[verdict]), len(group)
        )
        for verdict, group in sorted(groups.items(), key=lambda pair: pair[0].rank)
    )


def _calibration_bars(real: NDArray[np.float64], axis: Axis) -> tuple[Bar, ...]:
    """The histogram of real scans, upside down below the floor."""
    standing = histogram_bars(*bin_scores(real, axis), axis, top=FLOOR, bottom=BOTTOM)
    return tuple(Bar(bar.x, FLOOR, bar.width, bar.height, bar.count) for bar in standing)
