"""Failed scans in both runs: how many turned, and whether the baseline explains them.

Three new failures among 60 pairs cannot be significant by their count alone. They can by how far
they lie: a scan that fails is held against the spread of the baseline's scores (with those of the
real scans that calibrated the check) and, with pairs, against how much the other pairs moved.
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
    RegressionRule,
)
from pytest_safegen.results.comparison.rules import covers
from pytest_safegen.results.comparison.samples import Both, calibration_of, failed
from pytest_safegen.results.comparison.statistics import (
    more_failures_p,
    more_than,
    share,
    surprise_p,
    tail_chances,
)

USUAL_RISE = 0.02
LEAST_JUMP = 0.2
"""In standard deviations of the baseline's scores: less is no change in practice."""

SURPRISING = 0.01


@dataclass(frozen=True, slots=True)
class Failing:
    """The failed scans of one check before adjustment; `p_values` go into Holm's family."""

    check: str
    plain: CheckFailures
    p_values: tuple[float, ...]
    beyond: tuple[str, ...]

    def adjusted(self, values: Sequence[float]) -> CheckFailures:
        """The same with p-values adjusted for all tests."""
        p_any = values[2] if len(values) > 2 else 1.0
        return CheckFailures(
            self.check,
            self.plain.a,
            self.plain.b,
            self.plain.newly,
            self.plain.mended,
            len(self.beyond),
            values[0],
            values[1],
            p_any,
        )


def failing_of(both: Both, a: Run, rules: Sequence[RegressionRule]) -> Failing:
    """The failed scans of one check, with the tests that the rules need."""
    calibration = calibration_of(a, both.check)
    limit = _limit(rules, both.check)
    worse, better = _Side.of(both, calibration), _Side.of(_swapped(both), calibration)
    p_values = [worse.p(limit), better.p(limit)]
    if any(rule.kind is Kind.ANY and covers(rule, both.check) for rule in rules):
        p_values.append(worse.p_of_one())
    shares = [share(sum(map(failed, part.values())), len(part)) for part in (both.a, both.b)]
    newly, mended = len(worse.targets), len(better.targets)
    plain = CheckFailures(both.check, shares[0], shares[1], newly, mended, 0, 1.0, 1.0, 1.0)
    return Failing(both.check, plain, tuple(p_values), worse.beyond())


def turned_of(both: Both) -> Iterator[NewFailure]:
    """Scans that passed in A and fail in B."""
    for target in both.shared:
        before, after = both.a[target], both.b[target]
        if failed(after) and not failed(before):
            yield NewFailure(
                both.check, target, str(before.verdict), str(after.verdict), after.reason, False
            )


@dataclass(frozen=True, slots=True)
class _Side:
    """The scans that fail in the second run and, with pairs, did not in the first."""

    both: Both
    targets: tuple[str, ...]
    gone: int
    chances: Numbers

    @classmethod
    def of(cls, both: Both, calibration: Numbers) -> _Side:
        targets = tuple(
            sorted(t for t, f in both.b.items() if failed(f) and not _failed_in_a(both, t))
        )
        gone = sum(failed(both.a[t]) and not failed(both.b[t]) for t in both.shared)
        return cls(both, targets, gone, _chances(both, targets, calibration))

    @property
    def n(self) -> int:
        return len(self.both.shared) if self.both.paired else len(self.both.b)

    def p(self, limit: float) -> float:
        """The p of no more failures: by their count, or by how far they lie, twice the smaller."""
        shares = [share(sum(map(failed, p.values())), len(p)) for p in (self.both.a, self.both.b)]
        newly, paired = len(self.targets), self.both.paired
        by_count = more_failures_p(newly, self.gone, shares[0], shares[1], paired=paired)
        by_place = surprise_p(self.chances, self.n, more_than(limit, self.n))
        return min(1.0, 2 * min(by_count, by_place))

    def p_of_one(self) -> float:
        return surprise_p(self.chances, self.n, 1)

    def beyond(self) -> tuple[str, ...]:
        """The scans that are surprising among so many."""
        few = SURPRISING / max(1, self.n)
        return tuple(t for t, p in zip(self.targets, self.chances, strict=True) if p < few)


def _failed_in_a(both: Both, target: str) -> bool:
    return both.paired and target in both.a and failed(both.a[target])


def _chances(both: Both, targets: Sequence[str], calibration: Numbers) -> Numbers:
    """How likely each of these scans is, if the second run is like the first."""
    known = _scores(both.a.values())
    found = np.array([_score(both.b[target]) for target in targets])
    unjudged = 1 + sum(_score(f) is None for f in both.a.values())
    lost = np.array([score is None for score in found], dtype=bool)
    values = np.array([np.nan if score is None else score for score in found], dtype=np.float64)
    if known.size == 0 or values.size == 0:
        return np.full(values.size, unjudged / (len(both.a) + 1))
    chances = tail_chances(values, np.concatenate([known, calibration]))
    if both.paired:
        chances = np.minimum(1.0, 2 * np.minimum(chances, _jumps(both, targets, values)))
    least = LEAST_JUMP * float(np.std(known))
    small = values - _expected(both, targets, known) < least
    chances = np.where(small, 1.0, chances)
    return np.where(lost, unjudged / (len(both.a) + 1), chances)


def _jumps(both: Both, targets: Sequence[str], values: Numbers) -> Numbers:
    """The chance of each scan's jump, given how far the other half of the pairs moved down."""
    moves = np.array(
        [
            second - first
            for t in both.shared
            if (first := _score(both.a[t])) is not None
            and (second := _score(both.b[t])) is not None
        ]
    )
    if moves.size == 0:
        return np.ones_like(values)
    middle = float(np.median(moves))
    before = _before(both, targets)
    jumps = np.where(np.isnan(before), -np.inf, values - before - middle)
    return tail_chances(jumps, middle - moves[moves <= middle])


def _expected(both: Both, targets: Sequence[str], known: Numbers) -> Numbers:
    middle = np.full(len(targets), float(np.median(known)))
    if not both.paired:
        return middle
    before = _before(both, targets)
    return np.where(np.isnan(before), middle, before)


def _before(both: Both, targets: Sequence[str]) -> Numbers:
    scores = [_score(both.a[t]) if t in both.a else None for t in targets]
    return np.array([np.nan if score is None else score for score in scores], dtype=np.float64)


def _score(finding: Finding) -> float | None:
    return finding.score


def _scores(findings: Iterable[Finding]) -> Numbers:
    return np.array([f.score for f in findings if f.score is not None], dtype=np.float64)


def _limit(rules: Sequence[RegressionRule], check: str) -> float:
    limits = [r.limit for r in rules if r.kind is Kind.FAILED and covers(r, check)]
    return min(limits, default=USUAL_RISE)


def _swapped(both: Both) -> Both:
    return Both(both.check, both.b, both.a, both.paired)
