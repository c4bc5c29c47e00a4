"""Rates and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `n`, with the exact interval (Clopper and Pearson 1934) that holds in 95 %."""

    hits: int
    n: int

    @property
    def share(self) -> float:
        """The observed share; NaN of nothing."""
        return self.hits / self.n if self.n else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end of the 95 % interval."""
        from scipy.stats import beta  # half a second to import

        low = beta.ppf(0.025, self.hits, self.n - self.hits + 1) if self.hits else 0.0
        high = beta.ppf(0.975, self.hits + 1, self.n - self.hits) if self.hits < self.n else 1.0
        return float(low), float(high)

    def __str__(self) -> str:
        if not self.n:
            return "-"
        low, high = self.interval
        return f"{self.share:4.0%} ({self.hits}/{self.n}; {low:.0%}-{high:.0%})"

    def as_json(self) -> dict[str, float | int]:
        """For the results file."""
        low, high = self.interval if self.n else (0.0, 1.0)
        return {"hits": self.hits, "n": self.n, "low": round(low, 4), "high": round(high, 4)}


def rate_of(hits: Sequence[bool]) -> Rate:
    """The rate of what is true."""
    return Rate(sum(hits), len(hits))


def auroc(worse: Sequence[float], better: Sequence[float]) -> float:
    """The chance that one of the first has a higher score than one of the second.

    >>> auroc([2.0, 3.0], [1.0, 2.0])
    0.875
    """
    difference = np.subtract.outer(np.array(worse), np.array(better))
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))
