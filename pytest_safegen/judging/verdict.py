"""Score + rule -> finding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pytest_safegen.core.finding import Breach, Finding, Verdict, worst
from pytest_safegen.core.score import SCORE, Measure, Profile, Rule, Score
from pytest_safegen.judging.calibration import p_value
from pytest_safegen.judging.limits import (
    Limits,
    concrete,
    limit_ratio,
    matches,
    rule_of,
)
from pytest_safegen.judging.messages import headline_for, no_limit, reason_for, why_unjudged
from pytest_safegen.judging.unjudged import unjudged


def judge(
    check: str,
    target: str,
    score: Score,
    *,
    rules: Mapping[str, Rule],
    profile: Profile | None = None,
    required: Sequence[str] = (),
) -> Finding:
    """The finding on one score. `required` names measures that a user set limits for."""
    numbers = _numbers(score)
    names = [number.name for number in numbers]
    missing = sorted({want for want in required if not any(matches(n, want) for n in names)})
    not_finite = [number.name for number in numbers if not math.isfinite(number.value)]
    if not_finite or missing or not numbers:
        return unjudged(
            check,
            target,
            Verdict.ERROR if not_finite else Verdict.INCONCLUSIVE,
            why_unjudged(not_finite, missing),
        )
    limits = {
        number.name: concrete(rule, profile)
        for number in numbers
        if (rule := rule_of(number.name, rules)) is not None
    }
    if not limits:
        return unjudged(check, target, Verdict.INCONCLUSIVE, no_limit(names))
    return _finding(check, target, score, numbers, limits, profile)


def _numbers(score: Score) -> list[Measure]:
    if score.value is None:
        return list(score.measures)
    head = Measure(SCORE, score.value, message=score.message, headline=score.headline)
    return [head, *score.measures]


def _finding(
    check: str,
    target: str,
    score: Score,
    numbers: Sequence[Measure],
    limits: Mapping[str, Limits],
    profile: Profile | None,
) -> Finding:
    breaches = _breaches(numbers, limits)
    measures = {number.name: number for number in numbers}
    value, threshold = _score_and_limit(score, numbers, limits)
    return Finding(
        check,
        target,
        worst(*(breach.verdict for breach in breaches)),
        reason_for(breaches, measures, value, threshold, limits),
        headline=headline_for(breaches, measures),
        breaches=tuple(breaches),
        score=value,
        threshold=threshold,
        p_value=_p_value(score, profile),
        measures=score.measures,
        nearest=score.nearest,
    )


def _p_value(score: Score, profile: Profile | None) -> float | None:
    if score.value is None or profile is None or not profile.calibration.size:
        return None
    return p_value(score.value, profile.calibration)


def _breaches(numbers: Sequence[Measure], limits: Mapping[str, Limits]) -> list[Breach]:
    found = []
    for number in numbers:
        if number.name in limits:
            found += _breach(number, limits[number.name])
    return sorted(found, key=lambda breach: -breach.verdict.rank)


def _breach(number: Measure, limit: Limits) -> list[Breach]:
    sides = (
        (Verdict.FAIL, limit.fail_above, True),
        (Verdict.FAIL, limit.fail_below, False),
        (Verdict.WARN, limit.warn_above, True),
        (Verdict.WARN, limit.warn_below, False),
    )
    for verdict, at, above in sides:
        if number.value > at if above else number.value < at:
            value, unit = float(number.value), number.unit
            return [Breach(number.name, value, float(at), verdict, unit, above, limit.source)]
    return []


def _score_and_limit(
    score: Score, numbers: Sequence[Measure], limits: Mapping[str, Limits]
) -> tuple[float | None, float | None]:
    """Score and limit; a check judged by its measures gets its worst share of a limit."""
    if score.value is not None:
        limit = limits.get(SCORE, Limits()).fail_above
        return float(score.value), limit if math.isfinite(limit) else None
    ratios = [limit_ratio(n.value, limits[n.name]) for n in numbers if n.name in limits]
    return (max(ratios), 1.0) if ratios else (None, None)
