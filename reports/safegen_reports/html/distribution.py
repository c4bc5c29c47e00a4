"""Where a score lies among the scores of real scans: the geometry of a small histogram."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_safegen import Finding

LEFT, RIGHT, TOP, BOTTOM = 40.0, 548.0, 34.0, 128.0
"""The plot's edges in the units of the picture, which is 560 wide and 172 high."""
FARTHEST = 2.5
"""A score farther out than this many widths of the rest is drawn at the edge, with an arrow."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its box in the picture, and the number of real scans it stands for."""

    x: float
    y: float
    width: float
    height: float
    count: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A value on the horizontal axis; `beyond` if it lies outside the picture."""

    x: float
    value: float
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """The histogram of n calibration scores, with the scan's score and the limits in it."""

    bars: tuple[Bar, ...]
    ticks: tuple[Mark, ...]
    score: Mark
    limit: Mark | None
    warn_limit: Mark | None
    count: int
    most: int
    source: str


def chart(finding: Finding, calibration: Mapping[str, Any] | None) -> Chart | None:
    """The chart of a finding's score, None without a score or without calibration scores."""
    scores = _finite(calibration.get("scores", ())) if calibration else np.empty(0)
    if calibration is None or scores.size == 0 or _number(finding.score) is None:
        return None
    score = float(finding.score or 0.0)
    limit = _number(finding.threshold)
    limit = _number(calibration.get("limit")) if limit is None else limit
    warn = _number(calibration.get("warn_limit"))
    axis = _axis(scores, [value for value in (limit, warn) if value is not None], score)
    counts, edges = np.histogram(scores, bins=_bins(scores, axis), range=axis)
    return Chart(
        bars=_bars(counts, edges, axis),
        ticks=tuple(_mark(value, axis) for value in _round_values(axis)),
        score=_mark(score, axis),
        limit=None if limit is None else _mark(limit, axis),
        warn_limit=None if warn is None else _mark(warn, axis),
        count=int(scores.size),
        most=int(counts.max()),
        source=str(calibration.get("source", "")),
    )


def _finite(scores: Any) -> NDArray[np.float64]:
    numbers = np.asarray(scores, dtype=np.float64)
    return numbers[np.isfinite(numbers)]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _axis(scores: NDArray[np.float64], limits: list[float], score: float) -> tuple[float, float]:
    """The lower and upper end: all of the calibration, the limits, and the score if not too far."""
    ends = [float(scores.min()), float(scores.max()), *limits]
    low, high = min(ends), max(ends)
    size = max(abs(low), abs(high))
    width = high - low if high - low > max(1e-6 * size, 1e-9) else max(size, 1.0)
    low = max(min(low, score), low - FARTHEST * width)
    high = min(max(high, score), high + FARTHEST * width)
    margin = 0.04 * max(high - low, width)
    return low - margin, high + margin


def _bins(scores: NDArray[np.float64], axis: tuple[float, float]) -> int:
    """So many bins across the axis that the scores themselves fill about sqrt(n) of them."""
    share = float(np.ptp(scores)) / (axis[1] - axis[0])
    return int(np.clip(math.sqrt(scores.size) / max(share, 0.02), 10, 80))


def _bars(
    counts: NDArray[Any], edges: NDArray[np.float64], axis: tuple[float, float]
) -> tuple[Bar, ...]:
    unit = (BOTTOM - TOP) / max(int(counts.max()), 1)
    lefts = [_mark(float(edge), axis).x for edge in edges]
    return tuple(
        Bar(left, BOTTOM - count * unit, round(right - left, 1), count * unit, count)
        for (left, right), count in zip(pairwise(lefts), counts.tolist(), strict=True)
        if count
    )


def _mark(value: float, axis: tuple[float, float]) -> Mark:
    share = (value - axis[0]) / (axis[1] - axis[0])
    inside = min(max(share, 0.0), 1.0)
    return Mark(round(LEFT + inside * (RIGHT - LEFT), 1), value, beyond=share != inside)


def _round_values(axis: tuple[float, float]) -> list[float]:
    """Four to ten round numbers inside the axis."""
    width = axis[1] - axis[0]
    power = 10.0 ** math.floor(math.log10(width))
    step = next(power * part for part in (1.0, 0.5, 0.2) if width / (power * part) >= 4)
    first = math.ceil(axis[0] / step)
    return [round(number * step, 12) for number in range(first, math.floor(axis[1] / step) + 1)]
