from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from pytest_safegen import Calibration, Finding, Verdict
from safegen_reports.html.charts import (
    HISTOGRAM_BOTTOM,
    HISTOGRAM_LEFT,
    HISTOGRAM_RIGHT,
    score_histogram,
)

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
    assert drawn.score.beyond
    assert drawn.score.x == HISTOGRAM_RIGHT
    assert not drawn.limit.beyond


def test_the_calibrated_limit_is_drawn_where_the_finding_names_none() -> None:
    drawn = score_histogram(_finding(0.4), _calibration(SCORES, limit=0.7, warn_limit=0.5))
    assert drawn is not None
    assert (drawn.limit.value, drawn.warn_limit.value) == (0.7, 0.5)
