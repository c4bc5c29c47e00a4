"""Where a score lies among the scores of real scans: the geometry of a small histogram."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.api import Finding
from safegen_reports.html.axes import Axis, Mark, axis_of, finite, number_or_none

LEFT, RIGHT, TOP, BOTTOM = 40.0, 548.0, 34.0, 128.0
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
    scores = finite(calibration.get("scores", ())) if calibration else np.empty(0)
    score = number_or_none(finding.score)
    if calibration is None or scores.size == 0 or score is None:
        return None
    limit = number_or_none(finding.threshold)
    limit = number_or_none(calibration.get("limit")) if limit is None else limit
    warn = number_or_none(calibration.get("warn_limit"))
    limits = [value for value in (limit, warn) if value is not None]
    ends = [float(scores.min()), float(scores.max())]
    axis = axis_of([*ends, *limits], [score], left=LEFT, right=RIGHT)
    counts, edges = histogram(scores, axis)
    return Chart(
        bars=bars(counts, edges, axis, top=TOP, bottom=BOTTOM),
        ticks=axis.ticks,
        score=axis.mark(score),
        limit=axis.optional(limit),
        warn_limit=axis.optional(warn),
        count=int(scores.size),
        most=int(counts.max()),
        source=str(calibration.get("source", "")),
    )


def histogram(
    scores: NDArray[np.float64], axis: Axis
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Counts and edges of so many bins that the scores themselves fill about sqrt(n) of them."""
    share = float(np.ptp(scores)) / (axis.high - axis.low)
    bins = int(np.clip(math.sqrt(scores.size) / max(share, 0.02), 10, 80))
    counts, edges = np.histogram(scores, bins=bins, range=(axis.low, axis.high))
    return counts, edges


def bars(
    counts: NDArray[np.intp],
    edges: NDArray[np.float64],
    axis: Axis,
    *,
    top: float,
    bottom: float,
) -> tuple[Bar, ...]:
    """A bar for each bin that holds something; the fullest reaches the top."""
    unit = (bottom - top) / max(int(counts.max()), 1)
    lefts = [axis.mark(float(edge)).x for edge in edges]
    return tuple(
        Bar(left, bottom - count * unit, round(right - left, 1), count * unit, count)
        for (left, right), count in zip(pairwise(lefts), counts.tolist(), strict=True)
        if count
    )
