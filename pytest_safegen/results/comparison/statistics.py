"""The statistics of a comparison: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, sqrt

import numpy as np

from pytest_safegen.results.comparison.model import Numbers, Proportion

CONFIDENCE = 0.95
TAIL_SHARE = 0.25
MIN_TAIL = 4
POWER = 0.8
WILCOXON_EFFICIENCY = 3 / np.pi  # against the t-test with normal numbers, Lehmann 1975


def proportion(failed: int, n: int) -> Proportion:
    """A proportion with its exact interval (Clopper and Pearson 1934).

    >>> proportion(0, 10).high > 0.3
    True
    """
    from scipy.stats import binomtest  # half a second to import

    if n == 0:
        return Proportion(0, 0, 0.0, 1.0)
    interval = binomtest(failed, n).proportion_ci(CONFIDENCE, "exact")
    return Proportion(failed, n, float(interval.low), float(interval.high))


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
    deltas = np.empty(rounds)
    for round_ in range(rounds):
        first = random.integers(a.size, size=a.size)
        second = first if paired else random.integers(b.size, size=b.size)
        deltas[round_] = cliffs_delta(a[first], b[second])
    low, high = np.percentile(deltas, [100 * (1 - CONFIDENCE) / 2, 100 * (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def shift_p(a: Numbers, b: Numbers, *, paired: bool) -> float:
    """Two-sided p-value for no shift: Wilcoxon 1945 for pairs, Mann and Whitney 1947 otherwise."""
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
    """The p-values, adjusted for their number (Holm 1979; scipy has no such function).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(values)
    highest = 0.0
    for rank, round_ in enumerate(sorted(range(len(values)), key=lambda k: values[k])):
        highest = max(highest, min(1.0, (len(values) - rank) * values[round_]))
        adjusted[round_] = highest
    return adjusted


def rise_p(new: int, resolved: int, a: Proportion, b: Proportion, *, paired: bool) -> float:
    """One-sided p-value for no more failures in B: McNemar's exact test, or Fisher's."""
    from scipy.stats import binomtest, fisher_exact

    if paired:
        changed = new + resolved
        if changed == 0:
            return 1.0
        return float(binomtest(new, changed, 0.5, alternative="greater").pvalue)
    table = [[b.failed, b.n - b.failed], [a.failed, a.n - a.failed]]
    return float(fisher_exact(table, alternative="greater").pvalue)


def tail_probabilities(values: Numbers, known: Numbers) -> Numbers:
    """The tail probability of each value, with the tail of `known` extrapolated as an exponential.

    Peaks over threshold (Pickands 1975) with the shape held at 0, over the largest quarter; it
    falls more slowly than the tail of a normal distribution, and is never below 1e-12.
    """
    n = known.size
    if n < 2 * MIN_TAIL:
        return np.ones_like(values)
    ordered = np.sort(known)
    tail = max(MIN_TAIL, round(TAIL_SHARE * n))
    start = ordered[n - tail - 1]
    excess = float(np.mean(ordered[n - tail :] - start))
    plain = (1 + n - np.searchsorted(ordered, values, side="left")) / (n + 1)
    if excess == 0:
        return np.where(values > start, 1e-12, plain)
    far = (tail + 1) / (n + 1) * np.exp(-np.maximum(values - start, 0.0) / excess)
    return np.clip(np.where(values > start, far, plain), 1e-12, 1.0)


def order_statistic_p(probabilities: Numbers, n: int, count: int) -> float:
    """The p-value of at least `count` of `n` scans as unlikely as the count-th least likely one."""
    from scipy.stats import binom

    if probabilities.size < count:
        return 1.0
    return float(binom.sf(count - 1, n, np.sort(probabilities)[count - 1]))


def smallest_rise(n: int, alpha: float, *, failed: int, paired: bool) -> float:
    """The smallest observed rise of the failure rate of n scans that is significant by count."""
    for more in range(1, n + 1):
        a, b = counts_only(failed, n), counts_only(min(n, failed + more), n)
        if rise_p(more, 0, a, b, paired=paired) <= alpha:
            return more / n
    return 1.0


def counts_only(failed: int, n: int) -> Proportion:
    """A proportion without its interval, where only the counts matter."""
    return Proportion(failed, n, 0.0, 1.0)


def smallest_shift(a: Numbers, b: Numbers, alpha: float, *, paired: bool) -> float | None:
    """The shift, in standard deviations of A, that is significant in 80 % of comparisons.

    (z(1 - alpha / 2) + z(0.8)) * spread / sqrt(n * efficiency), Lehmann 1975.
    """
    from scipy.stats import norm

    spread = float(np.std(a, ddof=1))
    if spread == 0:
        return None
    z = float(norm.ppf(1 - alpha / 2) + norm.ppf(POWER))
    if paired:
        noise = float(np.std(b - a, ddof=1)) / spread / sqrt(a.size)
    else:
        noise = sqrt(1 / a.size + 1 / b.size)
    return z * noise / sqrt(WILCOXON_EFFICIENCY)


def smallest_count_above(limit: float, n: int) -> int:
    """The smallest count of n scans that is more than a share of them.

    >>> smallest_count_above(0.02, 60), smallest_count_above(0.0, 60)
    (2, 1)
    """
    return floor(limit * n + 1e-9) + 1
