"""95 % intervals of proportions and medians."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

Z95 = NormalDist().inv_cdf(0.975)


def wilson_interval(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson 1927).

    >>> [round(end, 3) for end in wilson_interval(0, 60)]
    [0.0, 0.06]
    """
    z = Z95
    middle = (hits + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * (hits * (n - hits) / n + z * z / 4) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the median of sorted values, from their ranks (Conover 1971).

    >>> median_interval([1.0, 2.0, 3.0])
    (1.0, 3.0)
    """
    n = len(values)
    half = Z95 * n**0.5 / 2
    low = max(0, round(n / 2 - half))
    high = min(n - 1, round(1 + n / 2 + half) - 1)
    return values[low], values[high]
