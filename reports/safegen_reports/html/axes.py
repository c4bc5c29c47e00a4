"""The horizontal axis of a picture of scores: its ends, round numbers, and places on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FARTHEST = 2.5
"""A score farther out than this many widths of the rest is drawn at the edge."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A value on the axis; `beyond` if it lies outside the picture."""

    x: float
    value: float
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from `low` to `high`, drawn from `left` to `right` in units of the picture."""

    low: float
    high: float
    left: float
    right: float

    def mark(self, value: float) -> Mark:
        """Where a value lies, at the edge if it is outside."""
        share = (value - self.low) / (self.high - self.low)
        inside = min(max(share, 0.0), 1.0)
        x = round(self.left + inside * (self.right - self.left), 1)
        return Mark(x, value, beyond=share != inside)

    def optional(self, value: float | None) -> Mark | None:
        """As `mark`; None of None."""
        return None if value is None else self.mark(value)

    @property
    def ticks(self) -> tuple[Mark, ...]:
        """Four to ten round numbers inside the axis."""
        width = self.high - self.low
        power = 10.0 ** math.floor(math.log10(width))
        step = next(power * part for part in (1.0, 0.5, 0.2) if width / (power * part) >= 4)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return tuple(self.mark(round(number * step, 12)) for number in range(first, last + 1))


def axis_of(fixed: Sequence[float], scores: Sequence[float], *, left: float, right: float) -> Axis:
    """An axis that holds all fixed values (calibration, limits), and scores if not too far."""
    low, high = min(fixed), max(fixed)
    size = max(abs(low), abs(high))
    width = high - low if high - low > max(1e-6 * size, 1e-9) else max(size, 1.0)
    low = max(min([low, *scores]), low - FARTHEST * width)
    high = min(max([high, *scores]), high + FARTHEST * width)
    margin = 0.04 * max(high - low, width)
    return Axis(low - margin, high + margin, left, right)


def finite(scores: Any) -> NDArray[np.float64]:
    """The numbers among some scores that are finite."""
    numbers = np.asarray(scores, dtype=np.float64)
    return numbers[np.isfinite(numbers)]


def number_or_none(value: Any) -> float | None:
    """A finite number as float; None of anything else."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
