"""Rules applied to what was measured: regressions, improvements and notes, as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_safegen.results.comparison.model import CheckFailures, Kind, RegressionRule, Shift
from pytest_safegen.results.comparison.rules import covers

USUAL_DELTA = 0.1
SMALLEST_SHOWN = 0.0001


def regressions_of(
    failures: Sequence[CheckFailures],
    shifts: Sequence[Shift],
    rules: Sequence[RegressionRule],
    alpha: float,
) -> tuple[str, ...]:
    """What got worse, more than a rule allows and more than chance explains."""
    found = [s for rule in rules for one in failures for s in _failed_more(rule, one, alpha)]
    found += [s for rule in rules for one in shifts for s in _moved(rule, one, alpha)]
    return tuple(dict.fromkeys(found))


def improvements_of(
    failures: Sequence[CheckFailures],
    shifts: Sequence[Shift],
    rules: Sequence[RegressionRule],
    alpha: float,
) -> tuple[str, ...]:
    """What got better, by the same tests."""
    found = [
        f"{one.check}: {_shares(one)} failed, {one.mended} passes now ({chance(one.p_better)})"
        for one in failures
        if one.p_better < alpha and rise(one) < 0
    ]
    tolerance = min([r.limit for r in rules if r.kind is Kind.DELTA], default=USUAL_DELTA)
    for shift in shifts:
        known = shift.worse != "either"
        if known and shift.adjusted < alpha and shift.worsening < -tolerance:
            found.append(_sentence(shift, "moved to the better"))
    return tuple(found)


def notes_of(
    shifts: Sequence[Shift], rules: Sequence[RegressionRule], alpha: float
) -> Iterator[str]:
    """What changed without being better or worse."""
    for shift in shifts:
        named = any(_named(rule, shift) for rule in rules)
        changed = shift.adjusted < alpha and abs(shift.delta) > USUAL_DELTA
        if shift.worse == "either" and changed and not named:
            yield _sentence(shift, "changed; no limit says which way is worse")


def rise(one: CheckFailures) -> float:
    """By how much the failed share of all scans rose."""
    if one.a.n == 0 or one.b.n == 0:
        return 0.0
    return one.b.failed / one.b.n - one.a.failed / one.a.n


def chance(p: float) -> str:
    """A p-value in words; of very small ones only the size is sure.

    >>> chance(0.012), chance(1e-9)
    ('p 0.012', 'p < 0.0001')
    """
    return f"p {p:.2g}" if p >= SMALLEST_SHOWN else f"p < {SMALLEST_SHOWN:.4f}"


def _failed_more(rule: RegressionRule, one: CheckFailures, alpha: float) -> Iterator[str]:
    if not covers(rule, one.check):
        return
    head = f"{one.check}: {_shares(one)} failed, {one.newly} of them newly"
    beyond = f"{one.beyond} of them beyond what the baseline explains"
    if rule.kind is Kind.FAILED and rise(one) > rule.limit and one.p_worse < alpha:
        yield f"{head}, {beyond} ({chance(one.p_worse)}; rule {rule.text!r})"
    if rule.kind is Kind.ANY and one.newly and one.p_any < alpha:
        yield f"{head}, {beyond} ({chance(one.p_any)}; rule {rule.text!r})"
    if rule.kind is Kind.STRICTLY_ANY and one.newly:
        yield f"{head} (rule {rule.text!r})"


def _moved(rule: RegressionRule, shift: Shift, alpha: float) -> Iterator[str]:
    if rule.kind is not Kind.DELTA or not covers(rule, shift.check, shift.name):
        return
    if shift.worse == "either" and not _named(rule, shift):
        return
    if shift.adjusted < alpha and shift.worsening > rule.limit:
        yield _sentence(shift, f"got worse; rule {rule.text!r}")


def _named(rule: RegressionRule, shift: Shift) -> bool:
    return bool(rule.measure) and covers(rule, shift.check, shift.name)


def _shares(one: CheckFailures) -> str:
    return f"{one.a.failed} of {one.a.n} and now {one.b.failed} of {one.b.n}"


def _sentence(shift: Shift, what: str) -> str:
    return (
        f"{shift.check}.{shift.name}: median {shift.median_a:.4g} and now {shift.median_b:.4g}, "
        f"Cliff's delta {shift.delta:+.2f} ({shift.low:+.2f} to {shift.high:+.2f}), "
        f"{chance(shift.adjusted)}: {what}"
    )
