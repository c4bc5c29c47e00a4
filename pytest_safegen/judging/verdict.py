"""Score + rule -> finding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pytest_safegen.core.finding import Finding, Verdict, worst
from pytest_safegen.core.score import Measure, Profile, Rule, Score
from pytest_safegen.judging.calibration import p_value
from pytest_safegen.judging.limits import (
    SCORE,
    Breach,
    Limits,
    concrete,
    limit_ratio,
    matches,
    rule_of,
)
from pytest_safegen.judging.messages import no_limit, reason_for, why_unjudged


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
    missing = sorted({wanted for wanted in required if not any(matches(n, wanted) for n in names)})
    bad = [number.name for number in numbers if not math.isfinite(number.value)]
    if bad or missing or not numbers:
        return unjudged(
            check,
            target,
            Verdict.ERROR if bad else Verdict.INCONCLUSIVE,
            why_unjudged(bad, missing),
            seconds=seconds,
        )
    limits = {
        number.name: concrete(rule, profile)
        for number in numbers
        if (rule := rule_of(number.name, rules)) is not None
    }
    if not limits:
        return unjudged(check, target, Verdict.INCONCLUSIVE, no_limit(names), seconds=seconds)
    return _finding(check, target, score, numbers, limits, profile, seconds)


def unjudged(
    check: str, target: str, verdict: Verdict, reason: str, *, seconds: float = 0.0
) -> Finding:
    """A finding that says why there is no judgement."""
    return Finding(check, target, verdict, reason, seconds=seconds)


def _numbers(score: Score) -> list[Measure]:
    head = [] if score.value is None else [Measure(SCORE, score.value, says=score.says)]
    return [*head, *score.measures]


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
        reason_for(breaches, value, threshold, limits),
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
    strains = [limit_ratio(n.value, limits[n.name]) for n in numbers if n.name in limits]
    return (max(strains), 1.0) if strains else (None, None)
