"""The charts of a page: a score among real scores, and growth over months."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from pytest_safegen import Calibration, Finding, Measure, Verdict
from safegen_reports.html.charts import (
    HISTOGRAM_BOTTOM,
    HISTOGRAM_LEFT,
    HISTOGRAM_RIGHT,
    growth_curve,
    score_histogram,
)

pytestmark = pytest.mark.slow

SCORES = [0.1, 0.2, 0.2, 0.3, 0.3, 0.3, 0.4, 0.6]
numbers = st.floats(-1e6, 1e6)


def _finding(score: float | None, threshold: float | None = None) -> Finding:
    return Finding("anomaly", "a.nii", Verdict.FAIL, "", score, threshold)


def _calibration(scores, limit=None, warn_limit=None):
    return Calibration(tuple(scores), "held out", limit, warn_limit)


@pytest.mark.parametrize("score", [None, math.nan, math.inf])
def test_without_a_finite_score_there_is_no_chart(score) -> None:
    assert score_histogram(_finding(score), _calibration(SCORES)) is None


@pytest.mark.parametrize("calibration", [None, Calibration(()), Calibration((math.nan,))])
def test_without_calibration_scores_there_is_no_chart(calibration) -> None:
    assert score_histogram(_finding(0.5), calibration) is None


@given(st.lists(numbers, min_size=1), numbers, st.none() | numbers, st.none() | numbers)
def test_every_calibration_score_stands_in_one_bar(scores, score, limit, warn) -> None:
    drawn = score_histogram(_finding(score), _calibration(scores, limit, warn))
    assert drawn is not None
    assert sum(bar.count for bar in drawn.bars) == len(scores)


@given(st.lists(numbers, min_size=1), numbers, st.none() | numbers)
def test_everything_lies_inside_the_picture(scores, score, limit) -> None:
    drawn = score_histogram(_finding(score, limit), _calibration(scores))
    assert drawn is not None
    marks = [drawn.score, *drawn.ticks, *([drawn.limit] if drawn.limit else [])]
    assert all(HISTOGRAM_LEFT <= mark.x <= HISTOGRAM_RIGHT for mark in marks)
    assert all(bar.y + bar.height == pytest.approx(HISTOGRAM_BOTTOM) for bar in drawn.bars)


def test_a_score_above_the_limit_stands_right_of_it() -> None:
    drawn = score_histogram(_finding(0.9, 0.7), _calibration(SCORES, limit=0.5))
    assert drawn is not None
    assert drawn.limit is not None
    assert drawn.limit.value == 0.7
    assert drawn.score.x > drawn.limit.x


def test_a_score_far_away_stands_at_the_edge_and_says_so() -> None:
    drawn = score_histogram(_finding(500.0), _calibration(SCORES, limit=0.7))
    assert drawn is not None
    assert drawn.score.clipped
    assert drawn.score.x == HISTOGRAM_RIGHT
    assert not drawn.limit.clipped


def test_the_calibrated_limit_is_drawn_where_the_finding_names_none() -> None:
    drawn = score_histogram(_finding(0.4), _calibration(SCORES, limit=0.7, warn_limit=0.5))
    assert drawn is not None
    assert (drawn.limit.value, drawn.warn_limit.value) == (0.7, 0.5)


def _growing(*measures: tuple[str, float]) -> Finding:
    measured = tuple(Measure(name, value, "ml") for name, value in measures)
    return Finding("longitudinal", "sub-1", Verdict.FAIL, "It grows.", measures=measured)


def test_measures_named_by_month_make_a_curve_in_the_order_of_time() -> None:
    growth = growth_curve(_growing(("lesion_volume@6", 2.0), ("lesion_volume@0", 1.0)))
    assert growth is not None
    assert (growth.name, growth.unit) == ("lesion volume", "ml")
    assert [(p.month, p.value) for p in growth.measured] == [(0.0, 1.0), (6.0, 2.0)]
    assert growth.measured[0].x < growth.measured[1].x
    assert growth.measured[0].y > growth.measured[1].y


def test_one_month_is_no_curve() -> None:
    assert growth_curve(_growing(("lesion_volume@6", 2.0), ("lesion_volume_first", 1.0))) is None


def test_a_plausible_range_that_leaves_the_picture_ends_at_its_edge() -> None:
    points = [("v@0", 1.0), ("v@6", 2.0), ("v_most@0", 1.0), ("v_most@6", 1e20)]
    growth = growth_curve(_growing(*points))
    assert growth is not None
    assert min(point.y for point in growth.plausible) == 18.0


def test_the_annotated_curve_is_in_the_picture() -> None:
    points = [("v@0", 1.0), ("v@6", 1.1), ("v_stated@0", 1.0), ("v_stated@6", 9.0)]
    growth = growth_curve(_growing(*points))
    assert growth is not None
    assert min(point.y for point in growth.annotated) > 18.0


def test_between_two_months_growth_is_by_a_constant_factor() -> None:
    points = [("v@0", 1.0), ("v@6", 4.0), ("v_stated@0", 1.0), ("v_stated@6", 4.0)]
    growth = growth_curve(_growing(*points))
    assert growth is not None
    (middle,) = [point.value for point in growth.annotated if point.month == 3.0]
    assert middle == pytest.approx(2.0)
