"""The mathematics of a comparison: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, sqrt

import numpy as np

from pytest_safegen.results.comparison.model import Numbers, Share

CONFIDENCE = 0.95
TAIL_SHARE = 0.25
FEWEST_IN_TAIL = 4
CHANCE = 0.8
WILCOXON_EFFICIENCY = 3 / np.pi  # against the t-test with normal numbers, Lehmann 1975


def share(failed: int, n: int) -> Share:
    """A share with its exact interval.

    >>> share(0, 10).high > 0.3
    True
    """
    from scipy.stats import beta  # half a second to import

    tail = (1 - CONFIDENCE) / 2
    low = float(beta.ppf(tail, failed, n - failed + 1)) if failed else 0.0
    high = float(beta.ppf(1 - tail, failed + 1, n - failed)) if failed < n else 1.0
    return Share(failed, n, low, high)


def cliffs_delta(a: Numbers, b: Numbers) -> float:
    """P(b > a) - P(b < a), Cliff 1993.

    >>> cliffs_delta(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.75
    """
    ordered = np.sort(a)
    below = np.searchsorted(ordered, b, side="left")
    above = a.size - np.searchsorted(ordered, b, side="right")
    return float((below.sum() - above.sum()) / (a.size * b.size))


def delta_interval(
    a: Numbers, b: Numbers, random: np.random.Generator, *, paired: bool, rounds: int
) -> tuple[float, float]:
    """The percentile bootstrap interval of Cliff's delta; pairs are drawn as pairs."""
    drawn = np.empty(rounds)
    for place in range(rounds):
        first = random.integers(a.size, size=a.size)
        second = first if paired else random.integers(b.size, size=b.size)
        drawn[place] = cliffs_delta(a[first], b[second])
    low, high = np.percentile(drawn, [100 * (1 - CONFIDENCE) / 2, 100 * (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def shift_p(a: Numbers, b: Numbers, *, paired: bool) -> float:
    """The two-sided p of no shift: Wilcoxon 1945 for pairs, Mann and Whitney 1947 otherwise."""
    from scipy.stats import mannwhitneyu, wilcoxon

    if paired:
        if not np.any(a != b):
            return 1.0
        # Pratt 1959 keeps equal pairs in the ranking: what did not change is evidence too.
        return float(wilcoxon(b, a, zero_method="pratt", method="asymptotic").pvalue)
    if np.ptp(np.concatenate([a, b])) == 0:
        return 1.0
    return float(mannwhitneyu(b, a, alternative="two-sided", method="asymptotic").pvalue)


def holm(values: Sequence[float]) -> list[float]:
    """The p-values, adjusted for their number (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=lambda k: values[k])):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return adjusted


def more_failures_p(newly: int, mended: int, a: Share, b: Share, *, paired: bool) -> float:
    """The one-sided p of no more failures in B: McNemar's exact test, or Fisher's."""
    from scipy.stats import binom, fisher_exact

    if paired:
        changed = newly + mended
        return float(binom.sf(newly - 1, changed, 0.5)) if changed else 1.0
    table = [[b.failed, b.n - b.failed], [a.failed, a.n - a.failed]]
    return float(fisher_exact(table, alternative="greater").pvalue)


def tail_chances(values: Numbers, known: Numbers) -> Numbers:
    """The chance of each value under what is known, with the tail extrapolated as an exponential.

    Peaks over threshold (Pickands 1975) with the shape held at 0, over the largest quarter; it
    falls more slowly than the tail of a normal distribution, and is never below 1e-12.
    """
    n = known.size
    if n < 2 * FEWEST_IN_TAIL:
        return np.ones_like(values)
    ordered = np.sort(known)
    tail = max(FEWEST_IN_TAIL, round(TAIL_SHARE * n))
    start = ordered[n - tail - 1]
    excess = float(np.mean(ordered[n - tail :] - start))
    plain = (1 + n - np.searchsorted(ordered, values, side="left")) / (n + 1)
    if excess == 0:
        return np.where(values > start, 1e-12, plain)
    far = (tail + 1) / (n + 1) * np.exp(-np.maximum(values - start, 0.0) / excess)
    return np.clip(np.where(values > start, far, plain), 1e-12, 1.0)


def surprise_p(chances: Numbers, n: int, count: int) -> float:
    """The p of at least `count` of `n` scans being as unlikely as the count-th least likely is."""
    from scipy.stats import binom

    if chances.size < count:
        return 1.0
    return float(binom.sf(count - 1, n, np.sort(chances)[count - 1]))


def smallest_share(n: int, alpha: float, *, failed: int, paired: bool) -> float:
    """The smallest rise of the failed share that a count test of n scans would flag."""
    for more in range(1, n + 1):
        a, b = share_only(failed, n), share_only(min(n, failed + more), n)
        if more_failures_p(more, 0, a, b, paired=paired) <= alpha:
            return more / n
    return 1.0


def share_only(failed: int, n: int) -> Share:
    """A share without its interval, where only the counts matter."""
    return Share(failed, n, 0.0, 1.0)


def smallest_shift(a: Numbers, b: Numbers, alpha: float, *, paired: bool) -> float | None:
    """The smallest shift, in standard deviations of A, that is seen with a chance of 80 %.

    (z(1 - alpha / 2) + z(0.8)) * spread / sqrt(n * efficiency), Lehmann 1975.
    """
    from scipy.stats import norm

    spread = float(np.std(a, ddof=1))
    if spread == 0:
        return None
    z = float(norm.ppf(1 - alpha / 2) + norm.ppf(CHANCE))
    if paired:
        noise = float(np.std(b - a, ddof=1)) / spread / sqrt(a.size)
    else:
        noise = sqrt(1 / a.size + 1 / b.size)
    return z * noise / sqrt(WILCOXON_EFFICIENCY)


def more_than(limit: float, n: int) -> int:
    """The smallest whole number of n scans that is more than a share.

    >>> more_than(0.02, 60), more_than(0.05, 60), more_than(0.0, 60)
    (2, 4, 1)
    """
    return floor(limit * n + 1e-9) + 1
