"""Rules are the detector's or the user's, and become plain limits."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from stand_in import profile_of

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.core.score import Rule
from pytest_safegen.judging.limits import (
    CALIBRATED,
    Limits,
    concrete,
    limit_ratio,
    limited,
    parse_rule,
    rules_for,
)
from pytest_safegen.profiles.calibrate import (
    HELD_OUT_BY_DETECTOR,
    IN_FOLDS,
    ONE_BY_ONE,
    SCALED_BY_HOLDOUT,
)
from pytest_safegen.profiles.model import HOLDOUT


def test_a_calibrated_rule_without_real_scans_is_refused() -> None:
    with pytest.raises(ValueError, match="no real scans"):
        concrete(CALIBRATED, None)


def test_a_calibration_that_is_not_finite_gives_no_limit() -> None:
    with pytest.raises(ValueError, match="not finite"):
        concrete(CALIBRATED, profile_of(scores=(1.0, math.nan)))


@pytest.mark.parametrize(
    ("source", "bounded"),
    [
        (HOLDOUT, True),
        (SCALED_BY_HOLDOUT, False),
        (HELD_OUT_BY_DETECTOR, False),
        (ONE_BY_ONE, False),
        (IN_FOLDS, False),
    ],
)
def test_only_a_limit_from_the_holdout_claims_a_confidence_bound(
    source: str, bounded: bool
) -> None:
    profile = replace(profile_of(scores=range(200)), calibration_source=source)
    assert ("with 95 % confidence" in concrete(CALIBRATED, profile).source) == bounded


@given(st.lists(st.floats(0, 10), min_size=1, max_size=200), st.floats(0.001, 0.5))
def test_the_warning_level_is_not_above_the_limit(scores: list[float], rate: float) -> None:
    limits = concrete(Rule(false_alarm_rate=rate), profile_of(scores=scores))
    assert limits.warn_above <= limits.fail_above


@pytest.mark.parametrize(
    ("value", "limits", "expected"),
    [
        (1.5, Limits(fail_above=3.0), 0.5),
        (3.0, Limits(fail_above=3.0), 1.0),
        (6.0, Limits(fail_above=3.0), 2.0),
        (0.0, Limits(fail_above=0.0), 0.0),
        (2.0, Limits(fail_above=0.0), 3.0),
        (-0.5, Limits(fail_above=-1.0), 1.5),
        (-2.0, Limits(fail_above=-1.0), 0.0),
        (4.0, Limits(fail_below=2.0), 0.5),
        (2.0, Limits(fail_below=2.0), 1.0),
        (1.0, Limits(fail_below=2.0), 1.5),
        (0.0, Limits(fail_below=2.0), 2.0),
        (-1.0, Limits(fail_below=-1.0), 1.0),
        (1e9, Limits(fail_above=1.0), 100.0),
        (5.0, Limits(warn_above=1.0), 0.0),
        (3.0, Limits(fail_above=4.0, fail_below=2.0), 0.75),
    ],
)
def test_limit_ratio_is_the_share_of_a_limit(value: float, limits: Limits, expected: float) -> None:
    assert limit_ratio(value, limits) == pytest.approx(expected)


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(-50, 50))
def test_limit_ratio_never_falls_as_a_number_gets_worse(a: float, b: float, limit: float) -> None:
    better, worse = sorted((a, b))
    upper, lower = Limits(fail_above=limit), Limits(fail_below=limit)
    assert limit_ratio(better, upper) <= limit_ratio(worse, upper)
    assert limit_ratio(worse, lower) <= limit_ratio(better, lower)


@given(st.integers(-50, 50), st.integers(-50, 50))
def test_limit_ratio_above_1_is_beyond_an_upper_limit(value: int, limit: int) -> None:
    assert (limit_ratio(value, Limits(fail_above=limit)) > 1) == (value > limit)


@given(st.integers(-50, 50), st.integers(-50, 50))
def test_limit_ratio_above_1_is_beyond_a_lower_limit(value: int, limit: int) -> None:
    assert (limit_ratio(value, Limits(fail_below=limit)) > 1) == (value < limit)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("0.3", "fail_above", 0.3),
        ("<=0.3", "fail_above", 0.3),
        (" <= .3 ", "fail_above", 0.3),
        ("<=-2", "fail_above", -2.0),
        ("30%", "fail_above", 0.3),
        ("1e-3", "fail_above", 0.001),
        (">=0.8", "fail_below", 0.8),
        (">=80 %", "fail_below", 0.8),
        ("p<=0.01", "false_alarm_rate", 0.01),
        ("p <= 1%", "false_alarm_rate", 0.01),
    ],
)
def test_an_expression_is_a_rule(text: str, field: str, value: float) -> None:
    assert getattr(parse_rule(text), field) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    ["", "high", "<0.3", ">0.8", "==1", "p>=0.1", "<=", "0.3 0.4", "nan", "inf", "1e999", "0,3"],
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(UsageProblem):
        parse_rule(text)


@pytest.mark.parametrize("text", ["p<=0", "p<=1", "p<=-0.1", "p<=200%"])
def test_a_rate_is_between_0_and_1(text: str) -> None:
    with pytest.raises(UsageProblem, match="between 0 and 1"):
        parse_rule(text)


@given(st.text())
def test_any_text_is_a_rule_or_a_users_mistake(text: str) -> None:
    try:
        rule = parse_rule(text)
    except UsageProblem:
        return
    assert [rule.fail_above, rule.fail_below, rule.false_alarm_rate].count(None) == 2


def test_a_users_threshold_takes_the_place_of_the_rule() -> None:
    rules = rules_for("check", {"score": CALIBRATED}, {"check": "<=3"})
    assert rules["score"].fail_above == 3.0


def test_other_rules_stay_as_they_are() -> None:
    rules = rules_for("check", {"size": Rule(fail_above=1.0)}, {"check": "<=3"})
    assert rules["size"] == Rule(fail_above=1.0)


def test_thresholds_of_other_checks_change_nothing() -> None:
    assert rules_for("check", {"score": CALIBRATED}, {"checks": "<=3"}) == {"score": CALIBRATED}


def test_a_rate_for_a_measure_is_refused() -> None:
    with pytest.raises(UsageProblem, match=r"check\.size"):
        rules_for("check", {}, {"check.size": "p<=0.01"})


def test_a_rate_for_the_score_by_name_is_taken() -> None:
    assert rules_for("check", {}, {"check.score": "p<=0.02"})["score"].false_alarm_rate == 0.02


def test_limited_names_what_the_user_limits() -> None:
    thresholds = {"check": "1", "check.size": "2", "checks.other": "3"}
    assert limited("check", thresholds) == ["score", "size"]
