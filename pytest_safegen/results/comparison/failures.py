"""Failed scans in both runs: how many are new, and whether the baseline explains them.

Three new failures among 60 pairs cannot be significant by their count alone. Their scores can be:
a scan that fails is compared with the spread of the baseline's scores (with those of the real scans
that calibrated the check) and, with pairs, with how much the other pairs changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pytest_safegen.core.finding import Finding, Run
from pytest_safegen.results.comparison.model import (
    CheckFailures,
    Kind,
    NewFailure,
    Numbers,
    Proportion,
    RegressionRule,
)
from pytest_safegen.results.comparison.rules import covers
from pytest_safegen.results.comparison.samples import (
    ByTarget,
    PairedFindings,
    calibration_scores,
    failed,
)
from pytest_safegen.results.comparison.statistics import (
    counts_only,
    order_statistic_p,
    proportion,
    rise_p,
    smallest_count_above,
    tail_probabilities,
)

DEFAULT_RISE = 0.02
MIN_INCREASE = 0.2
"""In standard deviations of the baseline's scores; a smaller increase is irrelevant in practice."""

SURPRISE_LEVEL = 0.01


@dataclass(frozen=True, slots=True)
class FailureTests:
    """The failed scans of one check before adjustment; `p_values` go into Holm's family."""

    check: str
    plain: CheckFailures
    p_values: tuple[float, ...]
    unexplained: tuple[str, ...]

    def adjusted(self, values: Sequence[float]) -> CheckFailures:
        """The same with p-values adjusted for all tests."""
        p_any = values[2] if len(values) > 2 else 1.0
        return CheckFailures(
            self.check,
            self.plain.a,
            self.plain.b,
            self.plain.new,
            self.plain.resolved,
            len(self.unexplained),
            values[0],
            values[1],
            p_any,
        )


def failure_tests(pair: PairedFindings, a: Run, rules: Sequence[RegressionRule]) -> FailureTests:
    """The failed scans of one check, with the tests that the rules need."""
    calibration = calibration_scores(a, pair.check)
    limit = _limit(rules, pair.check)
    worse, better = _Change.of(pair, calibration), _Change.of(_swapped(pair), calibration)
    p_values = [worse.p(limit), better.p(limit)]
    if any(rule.kind is Kind.ANY and covers(rule, pair.check) for rule in rules):
        p_values.append(worse.p_any_one())
    rates = [proportion(sum(map(failed, part.values())), len(part)) for part in (pair.a, pair.b)]
    new, resolved = len(worse.targets), len(better.targets)
    plain = CheckFailures(pair.check, rates[0], rates[1], new, resolved, 0, 1.0, 1.0, 1.0)
    return FailureTests(pair.check, plain, tuple(p_values), worse.unexplained())


def new_failures_of(pair: PairedFindings) -> Iterator[NewFailure]:
    """Scans that passed in A and fail in B."""
    for target in pair.shared:
        before, after = pair.a[target], pair.b[target]
        if failed(after) and not failed(before):
            yield NewFailure(
                pair.check, target, str(before.verdict), str(after.verdict), after.reason, False
            )


@dataclass(frozen=True, slots=True)
class _Change:
    """The scans that fail in the second run and, with pairs, did not in the first."""

    pair: PairedFindings
    targets: tuple[str, ...]
    resolved: int
    probabilities: Numbers

    @classmethod
    def of(cls, pair: PairedFindings, calibration: Numbers) -> _Change:
        targets = tuple(
            sorted(t for t, f in pair.b.items() if failed(f) and not _failed_in_a(pair, t))
        )
        resolved = sum(failed(pair.a[t]) and not failed(pair.b[t]) for t in pair.shared)
        return cls(pair, targets, resolved, _probabilities(pair, targets, calibration))

    @property
    def n(self) -> int:
        return len(self.pair.shared) if self.pair.paired else len(self.pair.b)

    def p(self, limit: float) -> float:
        """p-value for no more failures: by their count or by their scores, twice the smaller."""
        rates = [_counted(part) for part in (self.pair.a, self.pair.b)]
        new, paired = len(self.targets), self.pair.paired
        by_count = rise_p(new, self.resolved, rates[0], rates[1], paired=paired)
        by_size = order_statistic_p(self.probabilities, self.n, smallest_count_above(limit, self.n))
        return min(1.0, 2 * min(by_count, by_size))

    def p_any_one(self) -> float:
        return order_statistic_p(self.probabilities, self.n, 1)

    def unexplained(self) -> tuple[str, ...]:
        """The scans whose scores are surprising among n."""
        level = SURPRISE_LEVEL / max(1, self.n)
        return tuple(t for t, p in zip(self.targets, self.probabilities, strict=True) if p < level)


def _counted(findings: ByTarget) -> Proportion:
    return counts_only(sum(map(failed, findings.values())), len(findings))


def _failed_in_a(pair: PairedFindings, target: str) -> bool:
    return pair.paired and target in pair.a and failed(pair.a[target])


def _probabilities(pair: PairedFindings, targets: Sequence[str], calibration: Numbers) -> Numbers:
    """The tail probability of each of these scans, if the second run is like the first."""
    baseline = _scores(pair.a.values())
    found = np.array([_score(pair.b[target]) for target in targets])
    unjudged = 1 + sum(_score(f) is None for f in pair.a.values())
    unscored = np.array([score is None for score in found], dtype=bool)
    values = np.array([np.nan if score is None else score for score in found], dtype=np.float64)
    if baseline.size == 0 or values.size == 0:
        return np.full(values.size, unjudged / (len(pair.a) + 1))
    probabilities = tail_probabilities(values, np.concatenate([baseline, calibration]))
    if pair.paired:
        increases = _increase_probabilities(pair, targets, values)
        probabilities = np.minimum(1.0, 2 * np.minimum(probabilities, increases))
    smallest = MIN_INCREASE * float(np.std(baseline))
    small = values - _expected(pair, targets, baseline) < smallest
    probabilities = np.where(small, 1.0, probabilities)
    return np.where(unscored, unjudged / (len(pair.a) + 1), probabilities)


def _increase_probabilities(
    pair: PairedFindings, targets: Sequence[str], values: Numbers
) -> Numbers:
    """The tail probability of each increase, given how far the other half of the pairs fell."""
    changes = np.array(
        [
            second - first
            for t in pair.shared
            if (first := _score(pair.a[t])) is not None
            and (second := _score(pair.b[t])) is not None
        ]
    )
    if changes.size == 0:
        return np.ones_like(values)
    median = float(np.median(changes))
    before = _before(pair, targets)
    increases = np.where(np.isnan(before), -np.inf, values - before - median)
    return tail_probabilities(increases, median - changes[changes <= median])


def _expected(pair: PairedFindings, targets: Sequence[str], baseline: Numbers) -> Numbers:
    median = np.full(len(targets), float(np.median(baseline)))
    if not pair.paired:
        return median
    before = _before(pair, targets)
    return np.where(np.isnan(before), median, before)


def _before(pair: PairedFindings, targets: Sequence[str]) -> Numbers:
    scores = [_score(pair.a[t]) if t in pair.a else None for t in targets]
    return np.array([np.nan if score is None else score for score in scores], dtype=np.float64)


def _score(finding: Finding) -> float | None:
    return finding.score


def _scores(findings: Iterable[Finding]) -> Numbers:
    return np.array([f.score for f in findings if f.score is not None], dtype=np.float64)


def _limit(rules: Sequence[RegressionRule], check: str) -> float:
    limits = [r.limit for r in rules if r.kind is Kind.FAILED and covers(r, check)]
    return min(limits, default=DEFAULT_RISE)


def _swapped(pair: PairedFindings) -> PairedFindings:
    return PairedFindings(pair.check, pair.b, pair.a, pair.paired)
