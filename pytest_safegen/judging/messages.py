"""What a finding says: a sentence for each number beyond its limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_safegen.core.finding import Verdict
from pytest_safegen.judging.limits import SCORE, Breach, Limits

MOST_SENTENCES = 12  # the rest of what a check finds wrong is only named


def capitalized(text: str) -> str:
    """The text with a capital first letter, unless it begins with a file name.

    >>> capitalized("the scan is empty"), capitalized("sub-01/a.nii.gz is cut off")
    ('The scan is empty', 'sub-01/a.nii.gz is cut off')
    """
    first = text.partition(" ")[0]
    named = any(sign in first for sign in "/._")
    return text if named else text[:1].upper() + text[1:]


def why_unjudged(bad: Sequence[str], missing: Sequence[str]) -> str:
    """Why a score gives no verdict: numbers that are not finite, or that are missing."""
    if bad:
        return f"The check gave no number for {', '.join(bad)}, so nothing can be said."
    if missing:
        return (
            f"A limit is set for {', '.join(missing)}, which this check did not measure here; "
            "remove the limit or give the check what it needs."
        )
    return "The check measured nothing."


def no_limit(names: Sequence[str]) -> str:
    """Why measures without a single limit give no verdict."""
    return (
        f"There is no limit for anything that the check measured ({', '.join(names[:5])}): give "
        "the detector a rule, or set one with --safegen-threshold."
    )


def reason_for(
    breaches: Sequence[Breach],
    value: float | None,
    threshold: float | None,
    limits: Mapping[str, Limits],
) -> str:
    """The sentence of a finding: what is beyond its limit, or that nothing is."""
    if breaches:
        return " ".join(_sentence(breach) for breach in breaches[:MOST_SENTENCES]) + _more(
            breaches[MOST_SENTENCES:]
        )
    if SCORE in limits and value is not None and threshold is not None:
        return f"Score {value:.3g} is within the limit {threshold:.3g} ({limits[SCORE].source})."
    return f"All {len(limits)} measures with a limit are within it."


def _sentence(breach: Breach) -> str:
    number = breach.measure
    side = "above" if breach.above else "below"
    unit = f" {number.unit}" if number.unit else ""
    what = number.says or f"{number.name} is out of range"
    return (
        f"{capitalized(what)}: {number.name} {number.value:.3g}{unit} is {side} "
        f"the {'limit' if breach.verdict is Verdict.FAIL else 'warning level'} "
        f"{breach.limit:.3g}{unit} ({breach.source})."
    )


def _more(rest: Sequence[Breach]) -> str:
    return f" Also out of range: {', '.join(b.measure.name for b in rest)}." if rest else ""
