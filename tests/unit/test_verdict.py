"""Numbers and rules become findings, and findings the verdict on a release."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from stand_in import profile_of

from pytest_safegen.core.finding import Breach, Finding, Verdict
from pytest_safegen.core.score import Measure, Profile, Rule, Score
from pytest_safegen.judging.limits import (
    CALIBRATED,
    rules_for,
)
from pytest_safegen.judging.messages import MOST_SENTENCES
from pytest_safegen.judging.verdict import judge

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


@pytest.mark.parametrize("text", ["", ".", " ", "\n", ". ."])
def test_a_message_that_says_nothing_gives_the_name_of_the_measure(text: str) -> None:
    finding = found(
        Score(None, (Measure("depth", 5.0, message=text, headline=text),)),
        rules={"depth": Rule(fail_above=3.0)},
    )
    assert finding.headline == "Depth out of range"


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


def test_a_users_pattern_takes_the_place_of_the_rules_it_fits() -> None:
    rules = rules_for("check", {"size_a": Rule(fail_above=1.0)}, {"check.size_*": "<=9"})
    assert found(Score(None, (Measure("size_a", 5.0),)), rules=rules).verdict is Verdict.PASS


def test_a_users_name_goes_before_the_detectors_pattern() -> None:
    rules = rules_for("check", {"size_*": Rule(fail_above=1.0)}, {"check.size_a": "<=9"})
    assert found(Score(None, (Measure("size_a", 5.0),)), rules=rules).verdict is Verdict.PASS
