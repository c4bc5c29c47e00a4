"""The texts of a finding: a headline, and a sentence for each number beyond its limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_safegen.core.finding import HEADLINE_LENGTH, Breach, shortened
from pytest_safegen.core.score import SCORE, Measure

if TYPE_CHECKING:
    from pytest_safegen.judging.limits import Limits

MOST_SENTENCES = 12  # the rest of what a check finds wrong is only named


def capitalized(text: str) -> str:
    """The text with a capital first letter, unless it begins with a file name.

    >>> capitalized("the scan is empty"), capitalized("sub-01/a.nii.gz is truncated")
    ('The scan is empty', 'sub-01/a.nii.gz is truncated')
    """
    first = text.partition(" ")[0]
    named = any(sign in first for sign in "/._")
    return text if named else text[:1].upper() + text[1:]


def why_unjudged(not_finite: Sequence[str], missing: Sequence[str]) -> str:
    """Why a score gives no verdict: numbers that are not finite, or that are missing."""
    if not_finite:
        return f"The check returned NaN or infinity for {', '.join(not_finite)}."
    if missing:
        return (
            f"A limit is set for {', '.join(missing)}, which the check did not measure here; "
            "remove the limit, or provide what the check needs to measure it."
        )
    return "The check measured nothing."


def no_limit(names: Sequence[str]) -> str:
    """Why measures of which none has a limit give no verdict."""
    return (
        f"Nothing that the check measured has a limit ({', '.join(names[:5])}): give the "
        "detector a rule, or set one with --safegen-threshold."
    )


def headline_for(breaches: Sequence[Breach], measures: Mapping[str, Measure]) -> str:
    """The worst breach in at most 90 characters, and how many others there are."""
    if not breaches:
        return ""
    worst, others = measures[breaches[0].measure], len(breaches) - 1
    more = f" (+{others} more)" if others else ""
    length = HEADLINE_LENGTH - len(more)
    texts = (worst.headline, worst.message, f"{worst.name} out of range")
    return next(filter(None, (shortened(capitalized(text), length) for text in texts))) + more


def reason_for(
    breaches: Sequence[Breach],
    measures: Mapping[str, Measure],
    value: float | None,
    threshold: float | None,
    limits: Mapping[str, Limits],
) -> str:
    """The reason of a finding: a sentence for each breach, or that there is none."""
    if breaches:
        sentences = [_sentence(measures[one.measure]) for one in breaches[:MOST_SENTENCES]]
        return " ".join(sentences) + _more(breaches[MOST_SENTENCES:])
    if SCORE in limits and value is not None and threshold is not None:
        return f"Score {value:.3g} is within the limit {threshold:.3g} ({limits[SCORE].source})."
    return f"All {len(limits)} measures with a limit are within it."


def breach_line(breach: Breach) -> str:
    """The numbers of a breach, for a terminal.

    >>> from pytest_safegen.core.finding import Verdict
    >>> breach_line(Breach("growth", 2.5, 2.0, Verdict.FAIL, "ml", source="set by the user"))
    'growth 2.5 ml, limit 2 ml (set by the user)'
    """
    unit = f" {breach.unit}" if breach.unit else ""
    what = "limit" if breach.verdict == "FAIL" else "warning level"
    below = "" if breach.above else "lower "
    return (
        f"{breach.measure} {breach.value:.3g}{unit}, {below}{what} {breach.limit:.3g}{unit} "
        f"({breach.source})"
    )


def _sentence(measure: Measure) -> str:
    text = measure.message.rstrip(". ") or f"{measure.name} is out of range"
    return f"{capitalized(text)}."


def _more(rest: Sequence[Breach]) -> str:
    return f" Also out of range: {', '.join(breach.measure for breach in rest)}." if rest else ""
