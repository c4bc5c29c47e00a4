"""Statistics of a reader study: proportions, kappa, and tests with effect sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safegen_reports.intervals import wilson_interval
from safegen_reports.reader_study.readings import WITH_HEATMAP, WITHOUT_HEATMAP, Observation

CONFIDENCE_LEVEL = 0.95
BOOTSTRAP_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval, from n observations; None where there is none."""

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """With heatmaps less without, over readers: difference, paired t-test, Cohen's d_z."""

    name: str
    difference: Estimate
    t: float
    p: float
    effect: Estimate


@dataclass(frozen=True, slots=True)
class AnovaEffect:
    """One line of a repeated-measures ANOVA, with partial eta squared and its 90 % interval."""

    outcome: str
    source: str
    f: float
    numerator: float
    denominator: float
    p: float
    eta_squared: Estimate


def proportion(hits: Sequence[bool]) -> Estimate | None:
    """A proportion with its 95 % Wilson interval; None of nothing."""
    if not hits:
        return None
    return Estimate(sum(hits) / len(hits), *wilson_interval(sum(hits), len(hits)), len(hits))


def accuracy(rows: Sequence[Observation]) -> Estimate | None:
    """The share of right answers."""
    return proportion([row.correct for row in rows])


def sensitivity(rows: Sequence[Observation]) -> Estimate | None:
    """The share of synthetic scans that were called synthetic."""
    return proportion([row.correct for row in rows if row.is_synthetic])


def specificity(rows: Sequence[Observation]) -> Estimate | None:
    """The share of real scans that were called real."""
    return proportion([row.correct for row in rows if not row.is_synthetic])


def mean_estimate(values: Sequence[float]) -> Estimate | None:
    """A mean with its t interval; no interval of a single value."""
    if not values:
        return None
    if len(values) < 2 or float(np.std(values)) == 0.0:
        return Estimate(float(np.mean(values)), None, None, len(values))
    from statsmodels.stats.weightstats import DescrStatsW

    low, high = DescrStatsW(np.asarray(values)).tconfint_mean(1 - CONFIDENCE_LEVEL)
    return Estimate(float(np.mean(values)), float(low), float(high), len(values))


def interreader_kappa(rows: Sequence[Observation]) -> Estimate | None:
    """Kappa between readers: Cohen's of two, Fleiss' of more; the interval resamples cases.

    None with one reader, or where all say the same of everything, which leaves kappa undefined.
    """
    table = _answer_table(rows)
    if table.shape[1] < 2:
        return None
    kappa = _kappa(table)
    if not math.isfinite(kappa):
        return None
    random = np.random.default_rng(0)
    picks = random.integers(len(table), size=(BOOTSTRAP_RESAMPLES, len(table)))
    drawn = np.array([_kappa(table[pick]) for pick in picks])
    low, high = np.percentile(drawn[np.isfinite(drawn)], (2.5, 97.5))
    return Estimate(kappa, float(low), float(high), len(table))


def paired_t_test(
    name: str, rows: Sequence[Observation], outcome: Callable[[Sequence[Observation]], float]
) -> PairedComparison | None:
    """A paired t-test over readers; None with fewer than two, or where all differ by the same."""
    differences = np.array(
        [
            outcome(_select(rows, reader, WITH_HEATMAP))
            - outcome(_select(rows, reader, WITHOUT_HEATMAP))
            for reader in sorted({row.reader for row in rows})
        ]
    )
    if len(differences) < 2 or float(differences.std()) < 1e-12:
        return None
    from statsmodels.stats.weightstats import DescrStatsW

    t, p, _ = DescrStatsW(differences).ttest_mean()
    difference = mean_estimate(differences.tolist())
    assert difference is not None  # noqa: S101  there are two or more
    return PairedComparison(name, difference, float(t), float(p), _cohens_d_z(differences))


def repeated_measures_anova(
    name: str, rows: Sequence[Observation], outcome: Callable[[Sequence[Observation]], float]
) -> list[AnovaEffect]:
    """Repeated measures of readers: heatmap or not, real or synthetic, and both together.

    Empty with fewer than two readers or one condition, or where nothing varies.
    """
    from pandas import DataFrame  # type: ignore[import-untyped]  # it ships no types
    from statsmodels.stats.anova import AnovaRM

    readers = sorted({row.reader for row in rows})
    cells = [
        {"reader": reader, "heatmap": condition, "kind": kind, "outcome": outcome(found)}
        for reader in readers
        for condition in (WITHOUT_HEATMAP, WITH_HEATMAP)
        for kind in ("real", "synthetic")
        if (found := [row for row in _select(rows, reader, condition) if row.kind == kind])
    ]
    table = DataFrame(cells)
    if len(readers) < 2 or len(cells) < 4 * len(readers) or table["outcome"].std() < 1e-12:
        return []
    fitted = AnovaRM(table, "outcome", "reader", within=["heatmap", "kind"]).fit().anova_table
    lines = zip(map(str, fitted.index), fitted.to_numpy().tolist(), strict=True)
    return [
        _anova_effect(name, source, *line)
        for source, line in lines
        if all(map(math.isfinite, line))
    ]


def _anova_effect(
    name: str, source: str, f: float, num: float, den: float, p: float
) -> AnovaEffect:
    names = {"heatmap": "heatmap", "kind": "real or synthetic", "heatmap:kind": "both together"}
    eta = Estimate(f * num / (f * num + den), *eta_squared_interval(f, num, den), int(den + 1))
    return AnovaEffect(name, names[source], f, num, den, p, eta)


def eta_squared_interval(f: float, numerator: float, denominator: float) -> tuple[float, float]:
    """The 90 % interval of partial eta squared, by inverting the noncentral F (Steiger 2004)."""
    from scipy import optimize, stats

    def bound(level: float) -> float:
        def excess(noncentrality: float) -> float:
            return float(stats.ncf.cdf(f, numerator, denominator, noncentrality)) - level

        if excess(1e-9) <= 0:
            return 0.0
        top = 10.0 * (f * numerator + 10.0)
        while excess(top) > 0:
            top *= 2
        root = float(optimize.brentq(excess, 1e-9, top))
        return root / (root + numerator + denominator + 1)

    return bound(0.95), bound(0.05)


def _cohens_d_z(differences: NDArray[np.float64]) -> Estimate:
    """Cohen's d_z, with the interval from its large-sample standard error."""
    n = len(differences)
    d = float(differences.mean() / differences.std(ddof=1))
    error = math.sqrt(1 / n + d * d / (2 * n))
    return Estimate(d, d - 1.96 * error, d + 1.96 * error, n)


def _select(rows: Sequence[Observation], reader: int, condition: str) -> list[Observation]:
    return [row for row in rows if row.reader == reader and row.condition == condition]


def _answer_table(rows: Sequence[Observation]) -> NDArray[np.int64]:
    """1 for synthetic: a row a case, a column a reader."""
    readers = sorted({row.reader for row in rows})
    tokens = sorted({row.token for row in rows})
    answers = {(row.token, row.reader): int(row.response.answer == "synthetic") for row in rows}
    return np.array([[answers[token, reader] for reader in readers] for token in tokens])


def _kappa(table: NDArray[Any]) -> float:
    from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa, fleiss_kappa

    if len(np.unique(table)) < 2:
        return math.nan
    if table.shape[1] == 2:
        counts = np.zeros((2, 2))
        np.add.at(counts, (table[:, 0], table[:, 1]), 1)
        return float(cohens_kappa(counts, return_results=False))
    return float(fleiss_kappa(aggregate_raters(table, 2)[0]))
