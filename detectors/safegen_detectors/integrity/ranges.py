"""What the reference allows: the range of real values, widened so that unseen real scans fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class AllowedRange:
    """Values from `low` to `high` are like the reference's."""

    low: float
    high: float

    def distance(self, value: float) -> float:
        """0 in the middle, 1 at the edge, more outside."""
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        return abs(value - middle) / half

    def distance_of_log(self, value: float) -> float:
        """As `distance`, on a logarithmic scale; for values above 0."""
        low, high, x = np.log([self.low, self.high, max(value, 1e-9)])
        return AllowedRange(float(low), float(high)).distance(float(x))


def widened(values: Sequence[float], *, tolerance: float, few: float) -> AllowedRange:
    """The range of the values, half its width wider on each side, plus a tolerance.

    The margin is width / 2 + `tolerance` + `few` / n, so that a range known from a few scans is
    held loosely. One value in a hundred on each side is left out, as a reference has errors too.
    """
    ordered = sorted(values)
    trim = len(ordered) // 100
    low, high = ordered[trim], ordered[-1 - trim]
    margin = (high - low) / 2 + tolerance + few / len(ordered)
    return AllowedRange(low - margin, high + margin)


def widened_in_ratio(values: Sequence[float], *, tolerance: float, few: float) -> AllowedRange:
    """As `widened`, on a logarithmic scale: a tolerance of 0.02 is about 2 percent."""
    logs = np.log(np.maximum(np.asarray(values, dtype=np.float64), 1e-9))
    allowed = widened([float(x) for x in logs], tolerance=tolerance, few=few)
    return AllowedRange(float(np.exp(allowed.low)), float(np.exp(allowed.high)))
