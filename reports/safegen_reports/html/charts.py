"""Geometry of the charts of a target's page: axis, score histogram and growth curve.

A growth curve is drawn from measures that are named by their month. `NAME@MONTH` is
measured; `NAME_stated@MONTH` is the annotated value, and `NAME_least@MONTH` and
`NAME_most@MONTH` bound the plausible range.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.api import Calibration, Finding

MAX_OUTLIER_WIDTHS = 2.5
"""A score farther out than this many widths of the rest is drawn at the edge."""


@dataclass(frozen=True, slots=True)
class AxisPosition:
    """A value on the axis; `clipped` if it lies outside the range and is drawn at the edge."""

    x: float
    value: float
    clipped: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from `low` to `high`, drawn from `left` to `right` in units of the picture."""

    low: float
    high: float
    left: float
    right: float

    def mark(self, value: float) -> AxisPosition:
        """Where a value lies, at the edge if it is outside."""
        share = (value - self.low) / (self.high - self.low)
        inside = min(max(share, 0.0), 1.0)
        x = round(self.left + inside * (self.right - self.left), 1)
        return AxisPosition(x, value, clipped=share != inside)

    def optional(self, value: float | None) -> AxisPosition | None:
        """As `mark`; None of None."""
        return None if value is None else self.mark(value)

    @property
    def ticks(self) -> tuple[AxisPosition, ...]:
        """Four to ten round numbers inside the axis."""
        width = self.high - self.low
        power = 10.0 ** math.floor(math.log10(width))
        step = next(power * part for part in (1.0, 0.5, 0.2) if width / (power * part) >= 4)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return tuple(self.mark(round(number * step, 12)) for number in range(first, last + 1))


def fit_axis(fixed: Sequence[float], scores: Sequence[float], *, left: float, right: float) -> Axis:
    """An axis over all fixed values (calibration, limits), and over scores that are not too far."""
    low, high = min(fixed), max(fixed)
    size = max(abs(low), abs(high))
    width = high - low if high - low > max(1e-6 * size, 1e-9) else max(size, 1.0)
    low = max(min([low, *scores]), low - MAX_OUTLIER_WIDTHS * width)
    high = min(max([high, *scores]), high + MAX_OUTLIER_WIDTHS * width)
    margin = 0.04 * max(high - low, width)
    return Axis(low - margin, high + margin, left, right)


def finite_values(scores: Any) -> NDArray[np.float64]:
    """The numbers among some scores that are finite."""
    numbers = np.asarray(scores, dtype=np.float64)
    return numbers[np.isfinite(numbers)]


def finite_or_none(value: Any) -> float | None:
    """A finite number as float; None of anything else."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


HISTOGRAM_LEFT, HISTOGRAM_RIGHT, HISTOGRAM_TOP, HISTOGRAM_BOTTOM = 40.0, 548.0, 34.0, 128.0
"""The plot's edges in the units of the picture, which is 560 wide and 172 high."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its box in the picture, and the number of real scans it stands for."""

    x: float
    y: float
    width: float
    height: float
    count: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """The histogram of n calibration scores, with the scan's score and the limits in it."""

    bars: tuple[Bar, ...]
    ticks: tuple[AxisPosition, ...]
    score: AxisPosition
    limit: AxisPosition | None
    warn_limit: AxisPosition | None
    count: int
    tallest: int
    source: str


def score_histogram(finding: Finding, calibration: Calibration | None) -> Histogram | None:
    """The chart of a finding's score, None without a score or without calibration scores."""
    scores = finite_values(calibration.scores) if calibration else np.empty(0)
    score = finite_or_none(finding.score)
    if calibration is None or scores.size == 0 or score is None:
        return None
    limit = finite_or_none(finding.threshold)
    limit = finite_or_none(calibration.limit) if limit is None else limit
    warn = finite_or_none(calibration.warn_limit)
    limits = [value for value in (limit, warn) if value is not None]
    ends = [float(scores.min()), float(scores.max())]
    axis = fit_axis([*ends, *limits], [score], left=HISTOGRAM_LEFT, right=HISTOGRAM_RIGHT)
    counts, edges = bin_scores(scores, axis)
    return Histogram(
        bars=histogram_bars(counts, edges, axis, top=HISTOGRAM_TOP, bottom=HISTOGRAM_BOTTOM),
        ticks=axis.ticks,
        score=axis.mark(score),
        limit=axis.optional(limit),
        warn_limit=axis.optional(warn),
        count=int(scores.size),
        tallest=int(counts.max()),
        source=calibration.source,
    )


def bin_scores(
    scores: NDArray[np.float64], axis: Axis
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Counts and edges of bins, of which the scores fill about sqrt(n)."""
    share = float(np.ptp(scores)) / (axis.high - axis.low)
    bins = int(np.clip(math.sqrt(scores.size) / max(share, 0.02), 10, 80))
    counts, edges = np.histogram(scores, bins=bins, range=(axis.low, axis.high))
    return counts, edges


def histogram_bars(
    counts: NDArray[np.intp],
    edges: NDArray[np.float64],
    axis: Axis,
    *,
    top: float,
    bottom: float,
) -> tuple[Bar, ...]:
    """A bar for each bin that is not empty; the fullest reaches the top."""
    unit = (bottom - top) / max(int(counts.max()), 1)
    lefts = [axis.mark(float(edge)).x for edge in edges]
    return tuple(
        Bar(left, bottom - count * unit, round(right - left, 1), count * unit, count)
        for (left, right), count in zip(pairwise(lefts), counts.tolist(), strict=True)
        if count
    )


CURVE_LEFT, CURVE_RIGHT, CURVE_TOP, CURVE_BOTTOM = 62.0, 548.0, 18.0, 188.0
"""The plot's edges in the units of the picture, which is 560 wide and 236 high."""

INTERPOLATION_STEPS = 40
MEASURE_NAME = re.compile(r"([a-z][a-z_]*?)(_stated|_least|_most)?@(-?\d+(?:\.\d+)?)")

ValuesByMonth = Mapping[float, float]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A point of the picture with its month and value."""

    x: float
    y: float
    month: float
    value: float


@dataclass(frozen=True, slots=True)
class GrowthCurve:
    """One quantity over time: measured points, the annotated curve, the plausible range."""

    name: str
    unit: str
    measured: tuple[CurvePoint, ...]
    annotated: tuple[CurvePoint, ...]
    plausible: tuple[CurvePoint, ...]
    months: tuple[AxisPosition, ...]
    values: tuple[AxisPosition, ...]

    @property
    def plausible_outline(self) -> str:
        """The outline of the plausible range, as the points of a polygon."""
        return " ".join(f"{point.x:g},{point.y:g}" for point in self.plausible)


def growth_curve(finding: Finding) -> GrowthCurve | None:
    """The curve of the first quantity that was measured at two months or more, if any."""
    curves: dict[str, dict[str, dict[float, float]]] = defaultdict(lambda: defaultdict(dict))
    units = {}
    for measure in finding.measures:
        if match := MEASURE_NAME.fullmatch(measure.name):
            name, kind, month = match[1], match[2] or "", float(match[3])
            curves[name][kind][month] = measure.value
            units[name] = measure.unit
    for name, kinds in curves.items():
        if len(kinds[""]) > 1:
            return _fit_growth_curve(name.replace("_", " "), units[name], kinds)
    return None


def _fit_growth_curve(name: str, unit: str, kinds: Mapping[str, ValuesByMonth]) -> GrowthCurve:
    measured, annotated = kinds[""], kinds.get("_stated", {})
    months = fit_axis(sorted(measured), [], left=CURVE_LEFT, right=CURVE_RIGHT)
    top = 1.15 * max([*measured.values(), *annotated.values(), 1e-9])
    values = Axis(0.0, top, CURVE_BOTTOM, CURVE_TOP)
    return GrowthCurve(
        name,
        unit,
        _curve_points(measured, months, values),
        _curve_points(_interpolate(annotated), months, values),
        _plausible_band(kinds.get("_least", {}), kinds.get("_most", {}), months, values),
        tuple(months.mark(month) for month in sorted(measured)),
        values.ticks,
    )


def _curve_points(curve: ValuesByMonth, months: Axis, values: Axis) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(months.mark(month).x, values.mark(value).x, month, value)
        for month, value in sorted(curve.items())
    )


def _plausible_band(
    least: ValuesByMonth, most: ValuesByMonth, months: Axis, values: Axis
) -> tuple[CurvePoint, ...]:
    """Along the upper edge and back along the lower one, which is zero where none is given."""
    above = _interpolate(most)
    low = _interpolate(least)
    below: Sequence[CurvePoint] = _curve_points({m: low.get(m, 0.0) for m in above}, months, values)
    return (*_curve_points(above, months, values), *reversed(below))


def _interpolate(curve: ValuesByMonth) -> ValuesByMonth:
    """The curve with points between its months, for volumes that grow by a constant factor."""
    points = dict(curve)
    for (first, low), (second, high) in pairwise(sorted(curve.items())):
        if low > 0 and high > 0:
            for step in range(1, INTERPOLATION_STEPS):
                share = step / INTERPOLATION_STEPS
                points[first + share * (second - first)] = low * (high / low) ** share
    return points
