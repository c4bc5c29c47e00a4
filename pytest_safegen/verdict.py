"""Score + Rule -> Finding, and findings -> the verdict on a release. Limits live here only."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pytest_safegen.calibration import limit_at, p_value
from pytest_safegen.errors import UsageProblem
from pytest_safegen.model import Finding, Measure, Profile, Rule, Score, Verdict, worst

SCORE = "score"
CALIBRATED = Rule(false_alarm_rate=0.01, source="calibrated")
WARN_RATE = 0.05
HIGHEST_STRAIN = 100.0
MOST_SENTENCES = 12  # the rest of what a check finds wrong is only named

_EXPRESSION = re.compile(r"(p\s*<=|<=|>=)?\s*([-+]?\d*\.?\d+(?:[eE][-+]?\d+)?)\s*(%?)")


@dataclass(frozen=True, slots=True)
class Limits:
    """A rule made concrete: plain numbers, and where they are from."""

    fail_above: float = math.inf
    warn_above: float = math.inf
    fail_below: float = -math.inf
    warn_below: float = -math.inf
    source: str = ""


@dataclass(frozen=True, slots=True)
class Breach:
    """One number beyond its limit."""

    verdict: Verdict
    measure: Measure
    limit: float
    above: bool
    source: str


def parse_rule(expression: str) -> Rule:
    """A user's limit: `<=0.3` (or just `0.3`), `>=0.8`, or `p<=0.01` for a false-alarm rate.

    >>> parse_rule(">=0.8").fail_below
    0.8
    """
    match = _EXPRESSION.fullmatch(expression.strip())
    if not match:
        raise UsageProblem(
            f"The threshold {expression!r} is not understood: write '<=0.3', '>=0.8' or 'p<=0.01'."
        )
    sign, digits, percent = match.groups()
    number = float(digits) / (100 if percent else 1)
    if not math.isfinite(number):
        raise UsageProblem(f"The number in {expression!r} is too large to be a limit.")
    if (sign or "").startswith("p"):
        if not 0 < number < 1:
            raise UsageProblem(f"The rate in {expression!r} is a share between 0 and 1.")
        return Rule(false_alarm_rate=number, source="asked for by the user")
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
    asked = {name: parse_rule(thresholds[key]) for key, name in _limited(check, thresholds)}
    rated = [name for name, rule in asked.items() if rule.false_alarm_rate and name != SCORE]
    if rated:
        raise UsageProblem(
            f"The threshold {check}.{rated[0]} asks for a rate, and only the score of a check is "
            f"calibrated: write a number such as '<=0.3', or set the rate for {check}."
        )
    kept = {name: rule for name, rule in defaults.items() if not _covers(asked, name)}
    return asked | kept


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
    fail = limit_at(profile.calibration, rule.false_alarm_rate)
    warn = limit_at(profile.calibration, max(WARN_RATE, rule.false_alarm_rate))
    return Limits(fail.value, min(warn.value, fail.value), source=fail.source)


def judge(
    check: str,
    target: str,
    score: Score,
    *,
    rules: Mapping[str, Rule],
    profile: Profile | None = None,
    required: Sequence[str] = (),
    seconds: float = 0.0,
) -> Finding:
    """The finding on one score. `required` names measures that a user set limits for."""
    numbers = _numbers(score)
    names = [number.name for number in numbers]
    missing = sorted({wanted for wanted in required if not any(_is(n, wanted) for n in names)})
    bad = [number.name for number in numbers if not math.isfinite(number.value)]
    if bad or missing or not numbers:
        return unjudged(
            check,
            target,
            Verdict.ERROR if bad else Verdict.INCONCLUSIVE,
            _why_unjudged(bad, missing),
            seconds=seconds,
        )
    limits = {
        number.name: concrete(rule, profile)
        for number in numbers
        if (rule := _rule_of(number.name, rules)) is not None
    }
    if not limits:
        return unjudged(check, target, Verdict.INCONCLUSIVE, _no_limit(names), seconds=seconds)
    return _finding(check, target, score, numbers, limits, profile, seconds)


def capitalized(text: str) -> str:
    """The text with a capital first letter, unless it begins with a file name.

    >>> capitalized("the scan is empty"), capitalized("sub-01/a.nii.gz is cut off")
    ('The scan is empty', 'sub-01/a.nii.gz is cut off')
    """
    first = text.partition(" ")[0]
    named = any(sign in first for sign in "/._")
    return text if named else text[:1].upper() + text[1:]


def unjudged(
    check: str, target: str, verdict: Verdict, reason: str, *, seconds: float = 0.0
) -> Finding:
    """A finding that says why there is no judgement."""
    return Finding(check, target, verdict, reason, seconds=seconds)


def conclude(
    findings: Sequence[Finding], problems: Sequence[str], *, partial: str = ""
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict on the whole run, and the reasons for it.

    `problems` are breaks in the accounting; `partial` says that the user left checks out of this
    run, which then says nothing of the release.
    """
    verdict = worst(*(finding.verdict for finding in findings))
    reasons = [*problems, *_counted(findings)]
    if problems:
        return worst(verdict, Verdict.ERROR), tuple(reasons)
    if partial and not verdict.blocks:
        return Verdict.INCONCLUSIVE, (partial, *reasons)
    if not findings:
        return Verdict.INCONCLUSIVE, ("nothing was judged",)
    return verdict, tuple(reasons)


def _counted(findings: Sequence[Finding]) -> list[str]:
    lines = []
    for verdict in sorted(Verdict, key=lambda v: -v.rank):
        checks = [finding.check for finding in findings if finding.verdict == verdict]
        if checks and verdict is not Verdict.PASS:
            split = ", ".join(f"{name} {checks.count(name)}" for name in sorted(set(checks)))
            lines.append(f"{len(checks)} {verdict} ({split})")
    return lines


def _numbers(score: Score) -> list[Measure]:
    head = [] if score.value is None else [Measure(SCORE, score.value, says=score.says)]
    return [*head, *score.measures]


def _rule_of(name: str, rules: Mapping[str, Rule]) -> Rule | None:
    if name in rules:
        return rules[name]
    return next((rule for key, rule in rules.items() if fnmatchcase(name, key)), None)


def _limited(check: str, thresholds: Mapping[str, str]) -> list[tuple[str, str]]:
    """The thresholds of one check, each as its key and what it limits."""
    parts = [(key, *key.partition(".")) for key in thresholds]
    return [(key, measure or SCORE) for key, name, _, measure in parts if name == check]


def _covers(asked: Mapping[str, Rule], name: str) -> bool:
    return any(_is(name, key) for key in asked)


def _is(name: str, wanted: str) -> bool:
    return name == wanted or fnmatchcase(name, wanted)


def _why_unjudged(bad: Sequence[str], missing: Sequence[str]) -> str:
    if bad:
        return f"The check gave no number for {', '.join(bad)}, so nothing can be said."
    if missing:
        return (
            f"A limit is set for {', '.join(missing)}, which this check did not measure here; "
            "remove the limit or give the check what it needs."
        )
    return "The check measured nothing."


def _no_limit(names: Sequence[str]) -> str:
    return (
        f"There is no limit for anything that the check measured ({', '.join(names[:5])}): give "
        "the detector a rule, or set one with --safegen-threshold."
    )


def _finding(
    check: str,
    target: str,
    score: Score,
    numbers: Sequence[Measure],
    limits: Mapping[str, Limits],
    profile: Profile | None,
    seconds: float,
) -> Finding:
    breaches = _breaches(numbers, limits)
    known = score.value is not None and profile is not None and profile.calibration.size > 0
    value, threshold = _headline(score, numbers, limits)
    return Finding(
        check,
        target,
        worst(*(breach.verdict for breach in breaches)),
        _reason(breaches, value, threshold, limits),
        score=value,
        threshold=threshold,
        p_value=p_value(score.value or 0.0, profile.calibration) if known and profile else None,
        measures=score.measures,
        nearest=score.nearest,
        seconds=seconds,
    )


def _breaches(numbers: Sequence[Measure], limits: Mapping[str, Limits]) -> list[Breach]:
    found = []
    for number in numbers:
        if number.name in limits:
            found += _breach(number, limits[number.name])
    return sorted(found, key=lambda breach: -breach.verdict.rank)


def _breach(number: Measure, limit: Limits) -> list[Breach]:
    if number.value > limit.fail_above:
        return [Breach(Verdict.FAIL, number, limit.fail_above, True, limit.source)]
    if number.value < limit.fail_below:
        return [Breach(Verdict.FAIL, number, limit.fail_below, False, limit.source)]
    if number.value > limit.warn_above:
        return [Breach(Verdict.WARN, number, limit.warn_above, True, limit.source)]
    if number.value < limit.warn_below:
        return [Breach(Verdict.WARN, number, limit.warn_below, False, limit.source)]
    return []


def _headline(
    score: Score, numbers: Sequence[Measure], limits: Mapping[str, Limits]
) -> tuple[float | None, float | None]:
    """Score and limit; a check judged by its measures gets its worst share of a limit."""
    if score.value is not None:
        limit = limits.get(SCORE, Limits()).fail_above
        return float(score.value), limit if math.isfinite(limit) else None
    strains = [strain(n.value, limits[n.name]) for n in numbers if n.name in limits]
    return (max(strains), 1.0) if strains else (None, None)


def strain(value: float, limits: Limits) -> float:
    """How much of its limit a number uses up: 1 is at the limit, above 1 fails; at most 100."""
    used = 0.0
    if math.isfinite(limits.fail_above):
        top = limits.fail_above
        used = value / top if top > 0 else (1.0 + value - top if value > top else 0.0)
    if math.isfinite(limits.fail_below):
        low = limits.fail_below
        used = max(used, low / value if value > 0 < low else 1.0 + low - value)
    return float(min(max(used, 0.0), HIGHEST_STRAIN))


def _reason(
    breaches: Sequence[Breach],
    value: float | None,
    threshold: float | None,
    limits: Mapping[str, Limits],
) -> str:
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
