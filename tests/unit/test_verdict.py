"""Numbers and rules become findings, and findings the verdict on a release."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from stand_in import profile_of

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.core.finding import Breach, Finding, Verdict
from pytest_safegen.core.score import Measure, Profile, Rule, Score
from pytest_safegen.judging.limits import (
    CALIBRATED,
    Limits,
    concrete,
    limit_ratio,
    limited,
    parse_rule,
    rules_for,
)
from pytest_safegen.judging.messages import MOST_SENTENCES
from pytest_safegen.judging.release import conclude
from pytest_safegen.judging.verdict import judge
from pytest_safegen.profiles.calibrate import (
    HELD_OUT_BY_DETECTOR,
    IN_FOLDS,
    ONE_BY_ONE,
    SCALED_BY_HOLDOUT,
)
from pytest_safegen.profiles.model import HOLDOUT

KINDS = [
    ("fail_above", 2.0, Verdict.PASS),
    ("fail_above", 3.0, Verdict.PASS),
    ("fail_above", 3.1, Verdict.FAIL),
    ("warn_above", 2.0, Verdict.PASS),
    ("warn_above", 3.0, Verdict.PASS),
    ("warn_above", 3.1, Verdict.WARN),
    ("fail_below", 2.9, Verdict.FAIL),
    ("fail_below", 3.0, Verdict.PASS),
    ("fail_below", 4.0, Verdict.PASS),
    ("warn_below", 2.9, Verdict.WARN),
    ("warn_below", 3.0, Verdict.PASS),
    ("warn_below", 4.0, Verdict.PASS),
]


def found(
    score: Score,
    *,
    rules: dict[str, Rule] | None = None,
    profile: Profile | None = None,
    required: tuple[str, ...] = (),
) -> Finding:
    known = {"score": Rule(fail_above=3.0)} if rules is None else rules
    return judge("check", "sub-01", score, rules=known, profile=profile, required=required)


@pytest.mark.parametrize(("kind", "value", "expected"), KINDS)
def test_a_score_is_judged_by_its_rule(kind: str, value: float, expected: Verdict) -> None:
    assert found(Score(value), rules={"score": Rule(**{kind: 3.0})}).verdict is expected


@pytest.mark.parametrize(("kind", "value", "expected"), KINDS)
def test_a_measure_is_judged_by_its_rule(kind: str, value: float, expected: Verdict) -> None:
    score = Score(None, (Measure("size", value),))
    assert found(score, rules={"size": Rule(**{kind: 3.0})}).verdict is expected


@pytest.mark.parametrize(
    ("value", "expected"), [(190, Verdict.PASS), (191, Verdict.WARN), (199, Verdict.FAIL)]
)
def test_a_calibrated_score_fails_beyond_its_rate(value: float, expected: Verdict) -> None:
    profile = profile_of(scores=range(1, 200 + 1))
    assert (
        found(Score(value + 0.5), rules={"score": CALIBRATED}, profile=profile).verdict is expected
    )


def test_a_calibrated_finding_has_a_p_value() -> None:
    profile = profile_of(scores=(1.0, 2.0, 3.0))
    assert found(Score(2.5), profile=profile).p_value == 0.5


def test_a_finding_without_calibration_has_no_p_value() -> None:
    assert found(Score(2.5)).p_value is None


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


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_an_error(value: float) -> None:
    assert found(Score(value)).verdict is Verdict.ERROR


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_measure_that_is_no_number_is_an_error(value: float) -> None:
    assert found(Score(1.0, (Measure("size", value),))).verdict is Verdict.ERROR


def test_the_error_names_the_measure_without_a_number() -> None:
    assert "size" in found(Score(1.0, (Measure("size", math.nan),))).reason


def test_a_check_that_measured_nothing_is_inconclusive() -> None:
    assert found(Score(None)).verdict is Verdict.INCONCLUSIVE


def test_numbers_without_any_limit_are_inconclusive() -> None:
    assert found(Score(1.0), rules={}).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("wanted", ["volume", "vol*", "score"])
def test_a_required_number_that_is_missing_is_inconclusive(wanted: str) -> None:
    score = Score(None, (Measure("size", 1.0),))
    rules = {"size": Rule(fail_above=3.0)}
    finding = found(score, rules=rules, required=(wanted,))
    assert (finding.verdict, wanted in finding.reason) == (Verdict.INCONCLUSIVE, True)


@pytest.mark.parametrize("wanted", ["size", "si*"])
def test_a_required_measure_that_is_there_is_judged(wanted: str) -> None:
    score = Score(1.0, (Measure("size", 1.0),))
    assert found(score, required=(wanted, "score")).verdict is Verdict.PASS


def test_a_pattern_judges_the_measures_it_fits() -> None:
    score = Score(None, (Measure("critical.shape", 1.0),))
    assert found(score, rules={"critical.*": Rule(fail_above=0.0)}).verdict is Verdict.FAIL


def test_a_name_goes_before_a_pattern() -> None:
    rules = {"si*": Rule(fail_above=0.0), "size": Rule(fail_above=3.0)}
    assert found(Score(None, (Measure("size", 1.0),)), rules=rules).verdict is Verdict.PASS


def test_a_pattern_does_not_judge_other_measures() -> None:
    rules = {"critical.*": Rule(fail_above=0.0), "score": Rule(fail_above=3.0)}
    assert found(Score(1.0, (Measure("size", 9.0),)), rules=rules).verdict is Verdict.PASS


def test_the_worst_number_decides() -> None:
    score = Score(1.0, (Measure("a", 5.0), Measure("b", 5.0)))
    rules = {"score": Rule(fail_above=3.0), "a": Rule(warn_above=3.0), "b": Rule(fail_above=3.0)}
    assert found(score, rules=rules).verdict is Verdict.FAIL


def test_the_reason_begins_with_the_worst() -> None:
    score = Score(1.0, (Measure("a", 5.0), Measure("b", 5.0)))
    rules = {"a": Rule(warn_above=3.0), "b": Rule(fail_above=3.0)}
    assert found(score, rules=rules).reason.startswith("B is out of range")


def test_the_reason_is_the_message_of_the_measure() -> None:
    score = Score(None, (Measure("depth", 4.5, "mm", "a tumour outside the body"),))
    rules = {"depth": Rule(fail_above=3.0, source="a book")}
    assert found(score, rules=rules).reason == "A tumour outside the body."


@pytest.mark.parametrize(
    ("rule", "breach"),
    [
        (Rule(fail_above=3.0), Breach("depth", 4.5, 3.0, Verdict.FAIL, "mm", True, "a book")),
        (Rule(fail_below=5.0), Breach("depth", 4.5, 5.0, Verdict.FAIL, "mm", False, "a book")),
        (Rule(warn_above=4.0), Breach("depth", 4.5, 4.0, Verdict.WARN, "mm", True, "a book")),
    ],
)
def test_a_finding_holds_how_much_against_which_limit_and_its_source(
    rule: Rule, breach: Breach
) -> None:
    score = Score(None, (Measure("depth", 4.5, "mm"),))
    rules = {"depth": replace(rule, source="a book")}
    assert found(score, rules=rules).breaches == (breach,)


def test_the_headline_is_that_of_the_worst_breach_and_counts_the_others() -> None:
    measures = (
        Measure("width", 4.0, headline="Too wide"),
        Measure("depth", 4.5, headline="Tumour outside the body"),
    )
    rules = {"width": Rule(warn_above=3.0), "depth": Rule(fail_above=3.0)}
    assert found(Score(None, measures), rules=rules).headline == "Tumour outside the body (+1 more)"


@given(st.text(min_size=1), st.integers(1, 12))
def test_a_headline_has_at_most_90_characters(text: str, count: int) -> None:
    measures = tuple(Measure(f"m{n}", 5.0, message=text) for n in range(count))
    finding = found(Score(None, measures), rules={"m*": Rule(fail_above=3.0)})
    assert 0 < len(finding.headline) <= 90


def test_a_pass_has_no_headline() -> None:
    assert found(Score(2.0), rules={"score": Rule(fail_above=3.0)}).headline == ""


def test_the_reason_names_what_else_is_out_of_range() -> None:
    names = [f"m{n}" for n in range(MOST_SENTENCES + 2)]
    measures = tuple(Measure(name, 5.0) for name in names)
    reason = found(Score(None, measures), rules={"m*": Rule(fail_above=3.0)}).reason
    assert reason.endswith(f"Also out of range: {names[-2]}, {names[-1]}.")


def test_a_passing_score_is_shown_against_its_limit() -> None:
    reason = found(Score(2.0), rules={"score": Rule(fail_above=3.0, source="a book")}).reason
    assert reason == "Score 2 is within the limit 3 (a book)."


def test_a_check_of_measures_shows_its_worst_share_of_a_limit() -> None:
    score = Score(None, (Measure("a", 1.0), Measure("b", 6.0)))
    finding = found(score, rules={"?": Rule(fail_above=4.0)})
    assert (finding.score, finding.threshold) == (1.5, 1.0)


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


def test_a_users_pattern_takes_the_place_of_the_rules_it_fits() -> None:
    rules = rules_for("check", {"size_a": Rule(fail_above=1.0)}, {"check.size_*": "<=9"})
    assert found(Score(None, (Measure("size_a", 5.0),)), rules=rules).verdict is Verdict.PASS


def test_a_users_name_goes_before_the_detectors_pattern() -> None:
    rules = rules_for("check", {"size_*": Rule(fail_above=1.0)}, {"check.size_a": "<=9"})
    assert found(Score(None, (Measure("size_a", 5.0),)), rules=rules).verdict is Verdict.PASS


def test_a_rate_for_a_measure_is_refused() -> None:
    with pytest.raises(UsageProblem, match=r"check\.size"):
        rules_for("check", {}, {"check.size": "p<=0.01"})


def test_a_rate_for_the_score_by_name_is_taken() -> None:
    assert rules_for("check", {}, {"check.score": "p<=0.02"})["score"].false_alarm_rate == 0.02


def test_limited_names_what_the_user_limits() -> None:
    thresholds = {"check": "1", "check.size": "2", "checks.other": "3"}
    assert limited("check", thresholds) == ["score", "size"]


def finding(verdict: Verdict, check: str = "a") -> Finding:
    return Finding(check, "sub-01", verdict, "why")


@pytest.mark.parametrize("worst", list(Verdict))
def test_the_worst_finding_decides_on_the_release(worst: Verdict) -> None:
    assert conclude([finding(Verdict.PASS), finding(worst)], [])[0] is worst


def test_nothing_judged_is_inconclusive() -> None:
    assert conclude([], []) == (Verdict.INCONCLUSIVE, ("nothing was judged",))


def test_a_break_in_the_accounting_is_an_error() -> None:
    assert conclude([finding(Verdict.PASS)], ["lost one"]) == (Verdict.ERROR, ("lost one",))


def test_a_break_in_the_accounting_does_not_hide_a_failure() -> None:
    assert conclude([finding(Verdict.FAIL)], ["lost one"])[0] is Verdict.FAIL


def test_reasons_are_problems_first_then_from_bad_to_good() -> None:
    some = [finding(Verdict.WARN), finding(Verdict.FAIL), finding(Verdict.PASS)]
    assert conclude(some, ["lost one"])[1] == ("lost one", "1 FAIL (a 1)", "1 WARN (a 1)")


def test_reasons_count_the_checks() -> None:
    some = [finding(Verdict.FAIL, check) for check in "bab"]
    assert conclude(some, [])[1] == ("3 FAIL (a 1, b 2)",)


def test_a_part_of_the_checks_is_never_a_pass() -> None:
    assert conclude([finding(Verdict.PASS)], [], partial="a part") == (
        Verdict.INCONCLUSIVE,
        ("a part",),
    )


def test_a_failure_in_a_part_of_the_checks_is_a_failure() -> None:
    assert conclude([finding(Verdict.FAIL)], [], partial="a part")[0] is Verdict.FAIL
