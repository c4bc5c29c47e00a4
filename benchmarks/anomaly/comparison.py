"""Tests of the difference between two methods, over families and over patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

DRAWS = 2000
ENDS = (2.5, 97.5)
SMALLEST_SPREAD = 1e-9  # below, differences differ by rounding only


@dataclass(frozen=True, slots=True)
class Paired:
    """The mean difference over families, its bootstrap interval, paired t-test, Cohen's d.

    `d` is the mean difference over the standard deviation of the differences.
    """

    families: int
    difference: float
    low: float
    high: float
    t: float
    p: float
    d: float


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of one family's planted scans, and of all untouched ones, with their patients."""

    planted: Sequence[float]
    planted_in: Sequence[str]
    untouched: Sequence[float]
    untouched_in: Sequence[str]


def paired(ours: Sequence[float], other: Sequence[float], *, seed: int) -> Paired | None:
    """Ours less the other, family by family; None of fewer than three."""
    from scipy.stats import ttest_rel  # half a second to import

    if len(ours) < 3:
        return None
    difference = np.subtract(ours, other)
    spread = float(difference.std(ddof=1))
    if spread < SMALLEST_SPREAD:
        mean = float(difference.mean())
        return Paired(len(ours), mean, mean, mean, 0.0, 1.0, 0.0)
    test = ttest_rel(ours, other)
    low, high = bootstrapped(
        lambda chosen: float(difference[chosen].mean()), len(difference), seed=seed
    )
    mean = float(difference.mean())
    return Paired(
        len(ours), mean, low, high, float(test.statistic), float(test.pvalue), mean / spread
    )


def mean_auroc_interval(families: Sequence[Scored], *, seed: int) -> tuple[float, float]:
    """The 95 % interval of the mean AUROC over families if the test patients were others.

    Patients are drawn with replacement; the families stay.
    """
    names = sorted({name for family in families for name in family.untouched_in})
    place = {name: n for n, name in enumerate(names)}
    wins = [_wins(family, place) for family in families]

    def mean(chosen: NDArray[np.intp]) -> float:
        weight = np.bincount(chosen, minlength=len(names)).astype(np.float64)
        drawn = [found for one in wins if (found := _weighted(*one, weight)) is not None]
        return float(np.mean(drawn)) if drawn else float("nan")

    return bootstrapped(mean, len(names), seed=seed)


def bootstrapped(
    statistic: Callable[[NDArray[np.intp]], float], count: int, *, seed: int
) -> tuple[float, float]:
    """The percentile interval of a statistic of indices drawn with replacement."""
    random = np.random.default_rng(seed)
    drawn = [statistic(random.integers(count, size=count)) for _ in range(DRAWS)]
    low, high = np.nanpercentile(drawn, ENDS)
    return float(low), float(high)


def _wins(
    family: Scored, place: dict[str, int]
) -> tuple[Vector, NDArray[np.intp], NDArray[np.intp]]:
    apart = np.subtract.outer(np.array(family.planted), np.array(family.untouched))
    wins = (apart > 0) + 0.5 * (apart == 0)
    rows = np.array([place[name] for name in family.planted_in], dtype=np.intp)
    columns = np.array([place[name] for name in family.untouched_in], dtype=np.intp)
    return wins, rows, columns


def _weighted(
    wins: Vector, rows: NDArray[np.intp], columns: NDArray[np.intp], weight: Vector
) -> float | None:
    """The AUROC with weights of patients; None if no planted scan is drawn."""
    total = weight[rows].sum() * weight[columns].sum()
    return float(weight[rows] @ wins @ weight[columns] / total) if total else None
