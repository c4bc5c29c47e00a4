"""Scores of real scans become p-values and limits whose guarantee holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pytest_safegen.judging.calibration import limit_at, p_value

scores = st.lists(st.floats(-100, 100), min_size=1, max_size=60).map(np.array)
rates = st.floats(0.001, 0.5)


def extrapolated(known: np.ndarray, rate: float) -> bool:
    return limit_at(known, rate).source.startswith("extrapolated")


@given(scores, st.floats(-100, 100))
def test_a_p_value_counts_the_scores_that_are_as_bad(known: np.ndarray, score: float) -> None:
    as_bad = sum(1 for one in known if one >= score)
    assert p_value(score, known) == (1 + as_bad) / (len(known) + 1)


@given(scores)
def test_a_p_value_is_never_0(known: np.ndarray) -> None:
    assert p_value(1e9, known) == 1 / (len(known) + 1)


def test_without_scores_every_p_value_is_1() -> None:
    assert p_value(5.0, np.empty(0)) == 1.0


def test_a_p_value_of_real_scans_is_at_most_the_rate_as_often_as_the_rate() -> None:
    random = np.random.default_rng(0)
    alarms = [p_value(random.normal(), random.normal(size=39)) <= 0.1 for _ in range(4000)]
    assert np.mean(alarms) == pytest.approx(0.1, abs=0.015)


@given(scores, st.floats(-100, 100), rates)
def test_an_exact_limit_fails_what_the_p_value_fails(
    known: np.ndarray, score: float, rate: float
) -> None:
    if not extrapolated(known, rate):
        failing = score > limit_at(known, rate).value
        assert failing == (p_value(score, known) <= rate + 1e-9)


@given(scores, rates)
def test_the_limit_is_exact_where_the_scans_are_enough(known: np.ndarray, rate: float) -> None:
    assert extrapolated(known, rate) == (rate * (len(known) + 1) < 2 - 1e-9)


@given(scores, rates, rates)
def test_a_smaller_rate_of_one_kind_gives_no_lower_limit(
    known: np.ndarray, one: float, two: float
) -> None:
    low, high = sorted((one, two))
    if extrapolated(known, low) == extrapolated(known, high):
        below = limit_at(known, high).value - limit_at(known, low).value
        assert below <= 1e-9


def test_one_odd_scan_does_not_set_an_extrapolated_limit() -> None:
    known = np.append(np.random.default_rng(0).normal(size=39), 100.0)
    assert limit_at(known, 0.01).value < 100.0


@given(scores, rates, st.randoms())
def test_the_order_of_the_scores_does_not_matter(
    known: np.ndarray, rate: float, random: object
) -> None:
    shuffled = list(known)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert limit_at(np.array(shuffled), rate).value == pytest.approx(limit_at(known, rate).value)


@given(st.floats(-50, 50), st.floats(0.1, 10))
def test_an_extrapolated_limit_moves_with_the_unit_of_the_score(shift: float, unit: float) -> None:
    known = np.random.default_rng(0).normal(size=30)
    moved = limit_at(unit * known + shift, 0.01).value
    assert moved == pytest.approx(unit * limit_at(known, 0.01).value + shift, abs=1e-6)


def test_an_extrapolated_limit_is_near_the_quantile_of_an_exponential() -> None:
    limits = [
        limit_at(np.random.default_rng(seed).exponential(size=60), 0.01).value
        for seed in range(200)
    ]
    assert np.median(limits) == pytest.approx(-np.log(0.01), rel=0.15)


@pytest.mark.parametrize(("count", "rate"), [(12, 0.025), (20, 0.025), (80, 0.01)])
def test_an_extrapolated_limit_fails_about_as_many_new_scans_as_asked(
    count: int, rate: float
) -> None:
    """The quantile itself, of so few scans, would fail up to twice as many."""
    known = np.random.default_rng(0).exponential(size=(3000, count))

    failed = np.mean([np.exp(-limit_at(one, rate).value) for one in known])

    assert 0.9 * rate < failed < 1.25 * rate


def test_equal_scores_are_their_own_limit() -> None:
    assert limit_at(np.full(20, 3.0), 0.001).value == 3.0


def test_one_score_is_its_own_limit() -> None:
    assert limit_at(np.array([3.0]), 0.01).value == 3.0


def test_an_exact_limit_says_how_many_scans_it_is_from() -> None:
    assert limit_at(np.arange(120.0), 0.05).source.startswith("calibrated on 120 real scans")


def test_a_limit_from_independent_patients_bounds_the_false_alarms() -> None:
    source = limit_at(np.arange(120.0), 0.05, independent=True).source
    assert source == (
        "calibrated on 120 real scans for 5.0% false alarms, at most 8.6% with 95 % confidence"
    )


def test_a_limit_from_cross_validation_claims_no_bound() -> None:
    source = limit_at(np.arange(120.0), 0.05).source
    assert source == "calibrated on 120 real scans for 5.0% false alarms"


@given(scores, rates)
def test_independence_changes_no_limit(known: np.ndarray, rate: float) -> None:
    assert limit_at(known, rate, independent=True).value == limit_at(known, rate).value


def test_an_extrapolated_limit_says_what_the_scans_alone_guarantee() -> None:
    assert limit_at(np.arange(19.0), 0.01).source.endswith("can only guarantee 5.0%")


def test_no_scores_give_no_limit() -> None:
    with pytest.raises(ValueError, match="no calibration scores"):
        limit_at(np.empty(0), 0.01)
