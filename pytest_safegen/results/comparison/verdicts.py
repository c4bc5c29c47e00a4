"""Rules applied to the tests: regressions, improvements and notes, as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_safegen.results.comparison.model import CheckFailures, Kind, RegressionRule, Shift
from pytest_safegen.results.comparison.rules import covers

DEFAULT_DELTA = 0.1
SMALLEST_P = 0.0001


def regressions_of(
    failures: Sequence[CheckFailures],
    shifts: Sequence[Shift],
    rules: Sequence[RegressionRule],
    alpha: float,
) -> tuple[str, ...]:
    """What got worse by more than a rule allows, significantly."""
    found = [s for rule in rules for one in failures for s in _more_failures(rule, one, alpha)]
    found += [s for rule in rules for one in shifts for s in _shifted(rule, one, alpha)]
    return tuple(dict.fromkeys(found))


def improvements_of(
    failures: Sequence[CheckFailures],
    shifts: Sequence[Shift],
    rules: Sequence[RegressionRule],
    alpha: float,
) -> tuple[str, ...]:
    """What got better, by the same tests."""
    found = [
        f"{one.check}: {_counts(one)} failed, {one.resolved} resolved ({format_p(one.p_better)})"
        for one in failures
        if one.p_better < alpha and rise(one) < 0
    ]
    tolerance = min([r.limit for r in rules if r.kind is Kind.DELTA], default=DEFAULT_DELTA)
    for shift in shifts:
        known = shift.direction != "either"
        if known and shift.adjusted < alpha and shift.worsening < -tolerance:
            found.append(_describe(shift, "improved"))
    return tuple(found)


def notes_of(
    shifts: Sequence[Shift], rules: Sequence[RegressionRule], alpha: float
) -> Iterator[str]:
    """What changed without being better or worse."""
    for shift in shifts:
        named = any(_named(rule, shift) for rule in rules)
        changed = shift.adjusted < alpha and abs(shift.delta) > DEFAULT_DELTA
        if shift.direction == "either" and changed and not named:
            yield _describe(shift, "changed; no limit says which direction is worse")


def rise(one: CheckFailures) -> float:
    """By how much the failure rate rose."""
    if one.a.n == 0 or one.b.n == 0:
        return 0.0
    return one.b.failed / one.b.n - one.a.failed / one.a.n


def format_p(p: float) -> str:
    """A p-value as text; of very small ones only the order of magnitude is reliable.

    >>> format_p(0.012), format_p(1e-9)
    ('p 0.012', 'p < 0.0001')
    """
    return f"p {p:.2g}" if p >= SMALLEST_P else f"p < {SMALLEST_P:.4f}"


def _more_failures(rule: RegressionRule, one: CheckFailures, alpha: float) -> Iterator[str]:
    if not covers(rule, one.check):
        return
    head = f"{one.check}: {_counts(one)} failed, {one.new} new"
    unexplained = f"{one.unexplained} beyond the baseline's spread"
    if rule.kind is Kind.FAILED and rise(one) > rule.limit and one.p_worse < alpha:
        yield f"{head}, {unexplained} ({format_p(one.p_worse)}; rule {rule.text!r})"
    if rule.kind is Kind.ANY and one.new and one.p_any < alpha:
        yield f"{head}, {unexplained} ({format_p(one.p_any)}; rule {rule.text!r})"
    if rule.kind is Kind.STRICTLY_ANY and one.new:
        yield f"{head} (rule {rule.text!r})"


def _shifted(rule: RegressionRule, shift: Shift, alpha: float) -> Iterator[str]:
    if rule.kind is not Kind.DELTA or not covers(rule, shift.check, shift.name):
        return
    if shift.direction == "either" and not _named(rule, shift):
        return
    if shift.adjusted < alpha and shift.worsening > rule.limit:
        yield _describe(shift, f"got worse; rule {rule.text!r}")


def _named(rule: RegressionRule, shift: Shift) -> bool:
    return bool(rule.measure) and covers(rule, shift.check, shift.name)


def _counts(one: CheckFailures) -> str:
    return f"{one.a.failed} of {one.a.n} -> {one.b.failed} of {one.b.n}"


def _describe(shift: Shift, what: str) -> str:
    return (
        f"{shift.check}.{shift.name}: median {shift.median_a:.4g} -> {shift.median_b:.4g}, "
        f"Cliff's delta {shift.delta:+.2f} ({shift.low:+.2f} to {shift.high:+.2f}), "
        f"{format_p(shift.adjusted)}: {what}"
    )
