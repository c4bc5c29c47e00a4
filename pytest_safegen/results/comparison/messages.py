"""A comparison in words, for the terminal, and as JSON, for gate.json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pytest_safegen.core.finding import Run
from pytest_safegen.results.comparison.model import (
    CheckFailures,
    Comparison,
    Outcome,
    RegressionRule,
    Shift,
)
from pytest_safegen.results.comparison.verdicts import chance
from pytest_safegen.results.history.entries import model_name

MOST_TURNED = 20


def summary(comparison: Comparison, baseline: Run) -> str:
    """The outcome in one or two sentences."""
    name = f"{model_name(baseline)} of {baseline.created}"
    if comparison.outcome is Outcome.INCOMPARABLE:
        return f"INCOMPARABLE with {name}: {' '.join(comparison.reasons)}"
    way = f"{comparison.shared} pairs" if comparison.paired else "scans that are no pairs"
    if comparison.outcome is Outcome.REGRESSED:
        return f"Worse than {name} ({way}): {'; '.join(comparison.regressions)}."
    return f"No regression against {name} ({way}) by the rules. {power_sentence(comparison)}"


def power_sentence(comparison: Comparison) -> str:
    """The power in a sentence."""
    parts = []
    for seen in comparison.power:
        shift = "" if seen.shift is None else f" and a shift of {seen.shift:.2f} sd"
        parts.append(f"{seen.check}: {seen.share:.1%} more failures by count{shift}")
    scans = min((seen.scans for seen in comparison.power), default=0)
    found = "; ".join(parts) or "nothing"
    return f"With {scans} scans this could have seen {found}."


def lines(comparison: Comparison, a: Run, b: Run) -> Iterator[str]:
    """Everything of a comparison, for a terminal."""
    yield f"{model_name(b)} of {b.created} against {model_name(a)} of {a.created}"
    yield summary(comparison, a)
    yield from (f"regression: {text}" for text in comparison.regressions)
    yield from (f"better: {text}" for text in comparison.improvements)
    yield from (f"note: {text}" for text in comparison.notes)
    yield from map(_failures, comparison.failures)
    yield from map(_shift, comparison.shifts)
    for turned in comparison.turned[:MOST_TURNED]:
        far = ", beyond what the baseline explains" if turned.beyond else ""
        yield f"turned: {turned.check} {turned.target}: {turned.before} -> {turned.after}{far}"
    if len(comparison.turned) > MOST_TURNED:
        yield f"and {len(comparison.turned) - MOST_TURNED} more turned"
    if comparison.outcome is not Outcome.INCOMPARABLE:
        yield power_sentence(comparison)


def as_json(
    comparison: Comparison, baseline: Run, rules: Sequence[RegressionRule]
) -> dict[str, Any]:
    """What gate.json says of a comparison."""
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
        "turned": [
            {"check": t.check, "target": t.target, "before": t.before, "after": t.after}
            for t in comparison.turned
        ],
    }


def _failures(one: CheckFailures) -> str:
    then, now = (f"{s.failed}/{s.n} ({s.low:.1%} to {s.high:.1%})" for s in (one.a, one.b))
    return f"failed: {one.check}: {then} -> {now}, {one.newly} newly, {one.mended} no longer"


def _shift(one: Shift) -> str:
    return (
        f"shift: {one.check}.{one.name}: median {one.median_a:.4g} -> {one.median_b:.4g}, "
        f"delta {one.delta:+.2f} ({one.low:+.2f} to {one.high:+.2f}), {chance(one.adjusted)}"
    )
