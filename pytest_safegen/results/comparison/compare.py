"""One run against another: what got worse, what got better, and what is detectable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pytest_safegen.core.finding import Run
from pytest_safegen.core.score import SCORE
from pytest_safegen.results.comparison.failures import FailureTests, failure_tests, new_failures_of
from pytest_safegen.results.comparison.fairness import why_incomparable
from pytest_safegen.results.comparison.model import (
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
from pytest_safegen.results.comparison.samples import (
    PairedFindings,
    paired_findings,
    samples_of,
    shared_targets,
)
from pytest_safegen.results.comparison.statistics import (
    cliffs_delta,
    delta_interval,
    holm,
    shift_p,
    smallest_rise,
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
    a: Run, b: Run, rules: Sequence[RegressionRule] = (), options: Options | None = None
) -> Comparison:
    """B against the baseline A, by these rules, or the default ones."""
    options = options or Options()
    rules = tuple(rules) or parse(DEFAULTS)
    checks = paired_findings(a, b)
    paired = any(each.paired for each in checks)
    shared = shared_targets(a, b)
    new_failures = tuple(found for each in checks for found in new_failures_of(each))
    reasons = tuple(why_incomparable(a, b))
    if reasons:
        return Comparison(Outcome.INCOMPARABLE, reasons, paired, shared, new_failures=new_failures)
    samples = [s for each in checks for s in samples_of(each, b.directions.get(each.check, {}))]
    tests = [failure_tests(each, a, rules) for each in checks]
    failures, shifts = _tested(samples, tests, options)
    regressions = regressions_of(failures, shifts, rules, options.alpha)
    count = len(shifts) + sum(len(each.p_values) for each in tests)
    return Comparison(
        Outcome.REGRESSED if regressions else Outcome.PASSED,
        (),
        paired,
        shared,
        failures,
        shifts,
        _explained(new_failures, tests),
        regressions,
        improvements_of(failures, shifts, rules, options.alpha),
        (*notes_of(shifts, rules, options.alpha), *_unpaired_note(checks)),
        tuple(_power(checks, samples, failures, options.alpha / max(1, count))),
    )


def _tested(
    samples: Sequence[Sample], tests: Sequence[FailureTests], options: Options
) -> tuple[tuple[CheckFailures, ...], tuple[Shift, ...]]:
    """All tests, and their p-values adjusted together."""
    plain = [shift_p(s.a, s.b, paired=s.paired) for s in samples]
    adjusted = holm(plain + [p for each in tests for p in each.p_values])
    shifts = tuple(
        _shift(sample, p, after, options)
        for sample, p, after in zip(samples, plain, adjusted, strict=False)
    )
    rest = iter(adjusted[len(plain) :])
    failures = tuple(each.adjusted([next(rest) for _ in each.p_values]) for each in tests)
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
        sample.direction,
    )


def _explained(
    new_failures: Sequence[NewFailure], tests: Sequence[FailureTests]
) -> tuple[NewFailure, ...]:
    """The new failures, those first that the baseline's own spread does not explain."""
    unexplained = {(each.check, target) for each in tests for target in each.unexplained}
    marked = [replace(f, unexplained=(f.check, f.target) in unexplained) for f in new_failures]
    return tuple(sorted(marked, key=lambda f: (not f.unexplained, f.check, f.target)))


def _unpaired_note(checks: Sequence[PairedFindings]) -> Iterator[str]:
    """A sentence where pairs leave scans out."""
    only_a = {t for each in checks if each.paired for t in set(each.a) - set(each.b)}
    only_b = {t for each in checks if each.paired for t in set(each.b) - set(each.a)}
    if only_a or only_b:
        yield f"{len(only_a)} scans or series only in the baseline, {len(only_b)} only in this run."


def _power(
    checks: Sequence[PairedFindings],
    samples: Sequence[Sample],
    failures: Sequence[CheckFailures],
    alpha: float,
) -> Iterator[Power]:
    scores = {sample.check: sample for sample in samples if sample.name == SCORE}
    for each, failure in zip(checks, failures, strict=True):
        n = min(failure.a.n, failure.b.n)
        if n == 0:
            continue
        rise = smallest_rise(n, alpha / 2, failed=failure.a.failed, paired=each.paired)
        score = scores.get(each.check)
        shift = smallest_shift(score.a, score.b, alpha, paired=score.paired) if score else None
        yield Power(each.check, n, rise, shift)
