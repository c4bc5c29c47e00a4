"""A comparison as text, for the terminal, and as JSON, for gate.json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pytest_safegen.core.finding import Run
from pytest_safegen.results.comparison.model import (
    CheckFailures,
    Comparison,
    Outcome,
    Power,
    RegressionRule,
    Shift,
)
from pytest_safegen.results.comparison.verdicts import format_p
from pytest_safegen.results.history.entries import model_name

MAX_NEW_FAILURES = 20


def summary(comparison: Comparison, baseline: Run) -> str:
    """The outcome in one or two sentences."""
    name = f"{model_name(baseline)} of {baseline.created}"
    if comparison.outcome is Outcome.INCOMPARABLE:
        return f"INCOMPARABLE with {name}: {' '.join(comparison.reasons)}"
    pairs = f"{comparison.shared} pairs" if comparison.paired else "unpaired scans"
    if comparison.outcome is Outcome.REGRESSED:
        return f"Worse than {name} ({pairs}): {'; '.join(comparison.regressions)}."
    return f"No regression against {name} ({pairs}). {power_sentence(comparison)}"


def power_sentence(comparison: Comparison) -> str:
    """What a comparison of this size can detect."""
    if not comparison.power:
        return "Nothing was comparable, so no regression is detectable."
    n = min(power.n for power in comparison.power)
    return f"Detectable (n={n}): {'; '.join(map(_detectable, comparison.power))}."


def lines(comparison: Comparison, a: Run, b: Run) -> Iterator[str]:
    """Everything of a comparison, for a terminal."""
    yield f"{model_name(b)} of {b.created} against {model_name(a)} of {a.created}"
    yield summary(comparison, a)
    yield from (f"regression: {text}" for text in comparison.regressions)
    yield from (f"improvement: {text}" for text in comparison.improvements)
    yield from (f"note: {text}" for text in comparison.notes)
    yield from map(_failures, comparison.failures)
    yield from map(_shift, comparison.shifts)
    for failure in comparison.new_failures[:MAX_NEW_FAILURES]:
        beyond = ", beyond the baseline's spread" if failure.unexplained else ""
        change = f"{failure.before} -> {failure.after}"
        yield f"new failure: {failure.check} {failure.target}: {change}{beyond}"
    if len(comparison.new_failures) > MAX_NEW_FAILURES:
        yield f"and {len(comparison.new_failures) - MAX_NEW_FAILURES} more new failures"
    if comparison.outcome is not Outcome.INCOMPARABLE:
        yield power_sentence(comparison)


def as_json(
    comparison: Comparison, baseline: Run, rules: Sequence[RegressionRule]
) -> dict[str, Any]:
    """The comparison as gate.json holds it."""
    return {
        "outcome": str(comparison.outcome),
        "baseline": {
            "run": baseline.id,
            "generator": baseline.generator,
            "version": baseline.version,
            "created": baseline.created,
            "data_digest": baseline.data_digest,
        },
        "rules": [rule.text for rule in rules],
        "reasons": list(comparison.reasons),
        "paired": comparison.paired,
        "shared": comparison.shared,
        "regressions": list(comparison.regressions),
        "improvements": list(comparison.improvements),
        "new_failures": [
            {"check": f.check, "target": f.target, "before": f.before, "after": f.after}
            for f in comparison.new_failures
        ],
    }


def _detectable(power: Power) -> str:
    points = f"{100 * power.rise:.3g}-point"
    text = f"a {points} rise in the {power.check} failure rate"
    if power.shift is None:
        return text
    return f"{text}, or with 80 % power a shift of its score by {power.shift:.2f} sd"


def _failures(one: CheckFailures) -> str:
    before, after = (f"{s.failed}/{s.n} ({s.low:.1%} to {s.high:.1%})" for s in (one.a, one.b))
    return f"failed: {one.check}: {before} -> {after}, {one.new} new, {one.resolved} resolved"


def _shift(one: Shift) -> str:
    return (
        f"shift: {one.check}.{one.name}: median {one.median_a:.4g} -> {one.median_b:.4g}, "
        f"delta {one.delta:+.2f} ({one.low:+.2f} to {one.high:+.2f}), {format_p(one.adjusted)}"
    )
