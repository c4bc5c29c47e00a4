"""Rules as sentences: `anomaly: failed +2%`, `memorization.copies: any`, `anomaly: delta 0.2`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.results.comparison.model import SCORE, Kind, RegressionRule

if TYPE_CHECKING:
    from pytest_safegen.core.finding import Run


DEFAULTS = ("*: failed +2%", "*: delta 0.1")

SCANS = ("scans", "copies")
"""Words after the dot that mean the failed scans themselves."""

_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"

_RULE = re.compile(
    rf"(?P<check>\*|[a-z][a-z0-9_-]*)(?:\.(?P<measure>[\w.@*-]+))?\s*:\s*"
    rf"(?:(?P<any>strictly any|any)|failed\s*\+\s*(?P<failed>{_NUMBER})\s*(?P<percent>%)?|"
    rf"delta\s*(?P<delta>{_NUMBER}))"
)

FORMS = (
    "'anomaly: failed +2%', 'memorization: any', 'anomaly.top_share: delta 0.2' or '*: delta 0.1'"
)


def parse(texts: Sequence[str]) -> tuple[RegressionRule, ...]:
    """The rules of some sentences, or the default ones of none.

    >>> parse(["anomaly: failed +2%"])[0].limit
    0.02

    Raises:
        UsageProblem: a sentence that is not understood.
    """
    return tuple(map(_parsed, texts or DEFAULTS))


def demand_known(sentences: Sequence[RegressionRule], known: Mapping[str, Collection[str]]) -> None:
    """Refuse rules about what no run has; `known` holds the measures of each check.

    Raises:
        UsageProblem: an unknown check or measure; the text names those that are there.
    """
    for sentence in sentences:
        if sentence.check != "*" and sentence.check not in known:
            raise UsageProblem(
                f"The rule {sentence.text!r} is about the check {sentence.check!r}, which these "
                f"runs do not have. {_hint(sentence.check, known)}"
            )
        groups = known.values() if sentence.check == "*" else [known[sentence.check]]
        names = {name for group in groups for name in group}
        if sentence.measure and not any(covers(sentence, sentence.check, n) for n in names):
            raise UsageProblem(
                f"The rule {sentence.text!r} is about {sentence.measure!r}, which the check did "
                f"not measure. {_hint(sentence.measure, names)}"
            )


def covers(sentence: RegressionRule, check: str, name: str = SCORE) -> bool:
    """True if a rule is about that number of that check.

    A rule of a check alone is about its failed scans, or about its score; a rule for all checks
    is about every number.
    """
    if sentence.check not in ("*", check):
        return False
    if not sentence.measure:
        return sentence.check == "*" or name == SCORE
    wanted = sentence.measure
    return name == wanted or name.startswith((f"{wanted}_", f"{wanted}@"))


def _parsed(text: str) -> RegressionRule:
    match = _RULE.fullmatch(text.strip())
    if match is None:
        raise UsageProblem(f"The rule {text!r} is not understood: write {FORMS}.")
    check, measure = match["check"], match["measure"] or ""
    if match["delta"]:
        limit = float(match["delta"])
        if limit >= 1:
            raise UsageProblem(f"The delta of {text!r} is Cliff's: it lies between 0 and 1.")
        return RegressionRule(text, check, measure, Kind.DELTA, limit)
    if measure and measure not in SCANS:
        raise UsageProblem(
            f"The rule {text!r} counts failed scans, so it is about a check: leave out "
            f"{measure!r}, or write {check}.{measure}: delta 0.2."
        )
    if match["any"]:
        return RegressionRule(text, check, "", Kind(match["any"]))
    return RegressionRule(
        text, check, "", Kind.FAILED, _share(text, match["failed"], match["percent"])
    )


def _share(text: str, digits: str, percent: str | None) -> float:
    limit = float(digits) / (100 if percent else 1)
    if limit >= 1:
        raise UsageProblem(f"The share in {text!r} is below 100 %, such as 'failed +2%'.")
    return limit


def _hint(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known are: {', '.join(sorted(known))}."


def measures_of(*runs: Run) -> dict[str, set[str]]:
    """The checks of some runs, each with the names of its numbers."""
    found: dict[str, set[str]] = {}
    for run in runs:
        for finding in run.findings:
            if finding.target:
                names = found.setdefault(finding.check, {"score"})
                names |= {measure.name for measure in finding.measures}
    return found
