"""One run against another: what got worse, what got better, and what could have been seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pytest_safegen.core.finding import Run
from pytest_safegen.results.comparison.failures import Failing, failing_of, turned_of
from pytest_safegen.results.comparison.fairness import why_incomparable
from pytest_safegen.results.comparison.model import (
    SCORE,
    CheckFailures,
    Comparison,
    NewFailure,
    Outcome,
    Power,
    RegressionRule,
    Sample,
    Shift,
)
from pytest_safegen.results.comparison.rules import DEFAULTS, parse
from pytest_safegen.results.comparison.samples import Both, both_of, samples_of, shared_targets
from pytest_safegen.results.comparison.statistics import (
    cliffs_delta,
    delta_interval,
    holm,
    shift_p,
    smallest_share,
    smallest_shift,
)
from pytest_safegen.results.comparison.verdicts import improvements_of, notes_of, regressions_of

ALPHA = 0.05
ROUNDS = 1000


@dataclass(frozen=True, slots=True)
class Options:
    """How a comparison is made: its error rate, bootstrap rounds (0: no intervals), and seed."""

    alpha: float = ALPHA
    rounds: int = ROUNDS
    seed: int = 0


def compare(
    a: Run, b: Run, sentences: Sequence[RegressionRule] = (), options: Options | None = None
) -> Comparison:
    """What B says against the baseline A, by these rules, or the default ones."""
    options = options or Options()
    rules = tuple(sentences) or parse(DEFAULTS)
    both = both_of(a, b)
    paired = any(each.paired for each in both)
    shared = shared_targets(a, b)
    turned = tuple(found for each in both for found in turned_of(each))
    reasons = tuple(why_incomparable(a, b))
    if reasons:
        return Comparison(Outcome.INCOMPARABLE, reasons, paired, shared, turned=turned)
    samples = [s for each in both for s in samples_of(each, b.worse.get(each.check, {}))]
    failing = [failing_of(each, a, rules) for each in both]
    failures, shifts = _tested(samples, failing, options)
    regressions = regressions_of(failures, shifts, rules, options.alpha)
    tests = len(shifts) + sum(len(each.p_values) for each in failing)
    return Comparison(
        Outcome.REGRESSED if regressions else Outcome.PASSED,
        (),
        paired,
        shared,
        failures,
        shifts,
        _judged(turned, failing),
        regressions,
        improvements_of(failures, shifts, rules, options.alpha),
        (*notes_of(shifts, rules, options.alpha), *_scans_apart(both)),
        tuple(_seen(both, samples, failures, options.alpha / max(1, tests))),
    )


def _tested(
    samples: Sequence[Sample], failing: Sequence[Failing], options: Options
) -> tuple[tuple[CheckFailures, ...], tuple[Shift, ...]]:
    """All tests, and their p-values adjusted together."""
    plain = [shift_p(s.a, s.b, paired=s.paired) for s in samples]
    adjusted = holm(plain + [p for each in failing for p in each.p_values])
    shifts = tuple(
        _shift(sample, p, after, options)
        for sample, p, after in zip(samples, plain, adjusted, strict=False)
    )
    rest = iter(adjusted[len(plain) :])
    failures = tuple(each.adjusted([next(rest) for _ in each.p_values]) for each in failing)
    return failures, shifts


def _shift(sample: Sample, p: float, adjusted: float, options: Options) -> Shift:
    delta = cliffs_delta(sample.a, sample.b)
    low, high = delta, delta
    if options.rounds:
        random = np.random.default_rng(options.seed)
        low, high = delta_interval(
            sample.a, sample.b, random, paired=sample.paired, rounds=options.rounds
        )
    return Shift(
        sample.check,
        sample.name,
        min(sample.a.size, sample.b.size),
        float(np.median(sample.a)),
        float(np.median(sample.b)),
        delta,
        low,
        high,
        p,
        adjusted,
        sample.worse,
    )


def _judged(turned: Sequence[NewFailure], failing: Sequence[Failing]) -> tuple[NewFailure, ...]:
    """The turned scans, those first that the baseline's own spread does not explain."""
    beyond = {(each.check, target) for each in failing for target in each.beyond}
    marked = [replace(t, beyond=(t.check, t.target) in beyond) for t in turned]
    return tuple(sorted(marked, key=lambda t: (not t.beyond, t.check, t.target)))


def _scans_apart(both: Sequence[Both]) -> Iterator[str]:
    """A sentence where pairs leave scans out."""
    gone = {t for each in both if each.paired for t in set(each.a) - set(each.b)}
    new = {t for each in both if each.paired for t in set(each.b) - set(each.a)}
    if gone or new:
        yield f"{len(gone)} scans or series are only in the baseline, {len(new)} only in this run."


def _seen(
    both: Sequence[Both],
    samples: Sequence[Sample],
    failures: Sequence[CheckFailures],
    alpha: float,
) -> Iterator[Power]:
    scores = {sample.check: sample for sample in samples if sample.name == SCORE}
    for each, failure in zip(both, failures, strict=True):
        n = min(failure.a.n, failure.b.n)
        if n == 0:
            continue
        share = smallest_share(n, alpha / 2, failed=failure.a.failed, paired=each.paired)
        score = scores.get(each.check)
        shift = smallest_shift(score.a, score.b, alpha, paired=score.paired) if score else None
        yield Power(each.check, n, share, shift)
