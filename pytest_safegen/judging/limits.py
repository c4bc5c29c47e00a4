"""Rules and the limits that they stand for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.core.score import SCORE, Profile, Rule
from pytest_safegen.judging.calibration import limit_at
from pytest_safegen.profiles.model import HOLDOUT

CALIBRATED = Rule(false_alarm_rate=0.01, source="calibrated")

WARN_RATE = 0.05

HIGHEST_RATIO = 100.0

_EXPRESSION = re.compile(r"(p\s*<=|<=|>=)?\s*([-+]?\d*\.?\d+(?:[eE][-+]?\d+)?)\s*(%?)")


@dataclass(frozen=True, slots=True)
class Limits:
    """A rule made concrete: plain numbers, and where they are from."""

    fail_above: float = math.inf
    warn_above: float = math.inf
    fail_below: float = -math.inf
    warn_below: float = -math.inf
    source: str = ""


def parse_rule(expression: str) -> Rule:
    """A user's limit: `<=0.3` (or just `0.3`), `>=0.8`, or `p<=0.01` for a false-alarm rate.

    >>> parse_rule(">=0.8").fail_below
    0.8
    """
    match = _EXPRESSION.fullmatch(expression.strip())
    if not match:
        raise UsageProblem(
            f"Invalid threshold {expression!r}: write '<=0.3', '>=0.8' or 'p<=0.01'."
        )
    sign, digits, percent = match.groups()
    number = float(digits) / (100 if percent else 1)
    if not math.isfinite(number):
        raise UsageProblem(f"Invalid threshold {expression!r}: the number is too large.")
    if (sign or "").startswith("p"):
        if not 0 < number < 1:
            raise UsageProblem(f"Invalid threshold {expression!r}: a rate is between 0 and 1.")
        return Rule(false_alarm_rate=number, source="set by the user")
    if sign == ">=":
        return Rule(fail_below=number, source="set by the user")
    return Rule(fail_above=number, source="set by the user")


def rules_for(
    check: str, defaults: Mapping[str, Rule], thresholds: Mapping[str, str]
) -> dict[str, Rule]:
    """A detector's own rules, with the user's thresholds for that check in their place.

    Raises:
        UsageProblem: a threshold that cannot be read, or a rate for what is not calibrated.
    """
    own = {name: parse_rule(thresholds[key]) for key, name in _limited(check, thresholds)}
    rates = [name for name, rule in own.items() if rule.false_alarm_rate and name != SCORE]
    if rates:
        raise UsageProblem(
            f"The threshold {check}.{rates[0]} is a false-alarm rate, and only the score of a "
            f"check is calibrated: give a number such as '<=0.3', or set the rate for {check}."
        )
    others = {name: rule for name, rule in defaults.items() if not _covers(own, name)}
    return own | others


def limited(check: str, thresholds: Mapping[str, str]) -> list[str]:
    """What the user set limits for in one check: names or patterns of measures, or the score."""
    return [name for _, name in _limited(check, thresholds)]


def concrete(rule: Rule, profile: Profile | None) -> Limits:
    """The numbers that a rule stands for, given the calibration scores of a profile.

    Raises:
        ValueError: the rule asks for a calibrated limit and there are no scores.
    """
    if rule.false_alarm_rate is None:
        return Limits(
            math.inf if rule.fail_above is None else rule.fail_above,
            math.inf if rule.warn_above is None else rule.warn_above,
            -math.inf if rule.fail_below is None else rule.fail_below,
            -math.inf if rule.warn_below is None else rule.warn_below,
            rule.source,
        )
    if profile is None or profile.calibration.size == 0:
        raise ValueError("no real scans to calibrate the limit with")
    if not all(map(math.isfinite, profile.calibration)):
        raise ValueError("the calibration holds scores that are not finite, so it gives no limit")
    independent = profile.calibration_source == HOLDOUT
    fail = limit_at(profile.calibration, rule.false_alarm_rate, independent=independent)
    warn = limit_at(profile.calibration, max(WARN_RATE, rule.false_alarm_rate))
    return Limits(fail.value, min(warn.value, fail.value), source=fail.source)


def rule_of(name: str, rules: Mapping[str, Rule]) -> Rule | None:
    """The rule of a measure, by its name or else by a pattern; None if it has none."""
    if name in rules:
        return rules[name]
    return next((rule for key, rule in rules.items() if fnmatchcase(name, key)), None)


def _limited(check: str, thresholds: Mapping[str, str]) -> list[tuple[str, str]]:
    """The thresholds of one check, each as its key and what it limits."""
    parts = [(key, *key.partition(".")) for key in thresholds]
    return [(key, measure or SCORE) for key, name, _, measure in parts if name == check]


def _covers(rules: Mapping[str, Rule], name: str) -> bool:
    return any(matches(name, key) for key in rules)


def matches(name: str, wanted: str) -> bool:
    """True if a measure has this name, or fits this pattern."""
    return name == wanted or fnmatchcase(name, wanted)


def limit_ratio(value: float, limits: Limits) -> float:
    """How much of its limit a number uses up: 1 is at the limit, above 1 fails; 0 to 100.

    It never falls as the number gets worse.
    """
    used = 0.0
    if math.isfinite(limits.fail_above):
        used = _share_of_upper(value, limits.fail_above)
    if math.isfinite(limits.fail_below):
        used = max(used, _share_of_lower(value, limits.fail_below))
    return float(min(max(used, 0.0), HIGHEST_RATIO))


def _share_of_upper(value: float, limit: float) -> float:
    if limit > 0:
        return value / limit
    return 1.0 + value - limit if value > limit else 0.0


def _share_of_lower(value: float, limit: float) -> float:
    """Below the limit it grows by 1 with each `limit` that is missing, not as limit / value."""
    if value < limit:
        return 1.0 + (limit - value) / (abs(limit) or 1.0)
    return limit / value if limit > 0 else 1.0 + limit - value
