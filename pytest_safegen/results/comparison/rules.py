"""Regression rules: `anomaly: failed +2%`, `memorization.copies: any`, `anomaly: delta 0.2`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.core.score import SCORE
from pytest_safegen.results.comparison.model import Kind, RegressionRule

if TYPE_CHECKING:
    from pytest_safegen.core.finding import Run


DEFAULTS = ("*: failed +2%", "*: delta 0.1")

SCAN_WORDS = ("scans", "copies")
"""Words after the dot that mean the failed scans themselves."""

_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"

_RULE = re.compile(
    rf"(?P<check>\*|[a-z][a-z0-9_-]*)(?:\.(?P<measure>[\w.@*-]+))?\s*:\s*"
    rf"(?:(?P<any>strictly any|any)|failed\s*\+\s*(?P<failed>{_NUMBER})\s*(?P<percent>%)?|"
    rf"delta\s*(?P<delta>{_NUMBER}))"
)

EXAMPLES = (
    "'anomaly: failed +2%', 'memorization: any', 'anomaly.top_share: delta 0.2' or '*: delta 0.1'"
)


def parse(texts: Sequence[str]) -> tuple[RegressionRule, ...]:
    """The rules that some sentences state; the default ones if there are none.

    >>> parse(["anomaly: failed +2%"])[0].limit
    0.02

    Raises:
        UsageProblem: a rule that is not understood.
    """
    return tuple(map(_parse_one, texts or DEFAULTS))


def demand_known(rules: Sequence[RegressionRule], known: Mapping[str, Collection[str]]) -> None:
    """Refuse rules about unknown checks or measures; `known` holds the measures of each check.

    Raises:
        UsageProblem: an unknown check or measure; the text names those that are there.
    """
    for rule in rules:
        if rule.check != "*" and rule.check not in known:
            raise UsageProblem(
                f"The rule {rule.text!r} is about the check {rule.check!r}, which these "
                f"runs do not have. {_hint(rule.check, known)}"
            )
        groups = known.values() if rule.check == "*" else [known[rule.check]]
        names = {name for group in groups for name in group}
        if rule.measure and not any(covers(rule, rule.check, n) for n in names):
            raise UsageProblem(
                f"The rule {rule.text!r} is about {rule.measure!r}, which the check did "
                f"not measure. {_hint(rule.measure, names)}"
            )


def covers(rule: RegressionRule, check: str, name: str = SCORE) -> bool:
    """True if a rule is about that number of that check.

    A rule of a check alone is about its failed scans, or about its score; a rule for all checks
    is about every number.
    """
    if rule.check not in ("*", check):
        return False
    if not rule.measure:
        return rule.check == "*" or name == SCORE
    return name == rule.measure or name.startswith((f"{rule.measure}_", f"{rule.measure}@"))


def _parse_one(text: str) -> RegressionRule:
    match = _RULE.fullmatch(text.strip())
    if match is None:
        raise UsageProblem(f"The rule {text!r} is not understood: write {EXAMPLES}.")
    check, measure = match["check"], match["measure"] or ""
    if match["delta"]:
        limit = float(match["delta"])
        if limit >= 1:
            raise UsageProblem(f"The delta of {text!r} is Cliff's: it lies between 0 and 1.")
        return RegressionRule(text, check, measure, Kind.DELTA, limit)
    if measure and measure not in SCAN_WORDS:
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
