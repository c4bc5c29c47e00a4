from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from pytest_safegen import Calibration, Finding, Run, Verdict
from safegen_reports.html.dot_plots import BOTTOM, FLOOR, LEFT, RIGHT, TOP, DotPlot, dot_plots

POINT = re.compile(r"M([-\d.]+) ([-\d.]+)h0")
scores = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


def _strip(
    values: Sequence[float | None], *, limit: float | None = 1.0, real: Sequence[float] = (0.2, 0.4)
) -> DotPlot:
    findings = tuple(
        Finding("anomaly", f"{n}.nii", _verdict(value, limit), "Said.", value, limit)
        for n, value in enumerate(values)
    )
    calibrations = {"anomaly": {"": Calibration(tuple(real), "held out", limit)}}
    run = Run("1", "now", Verdict.PASS, (), (), "enforce", findings, {}, calibrations=calibrations)
    (strip,) = dot_plots(run)
    return strip


def _verdict(value: float | None, limit: float | None) -> Verdict:
    if value is None:
        return Verdict.ERROR
    return Verdict.FAIL if limit is not None and value > limit else Verdict.PASS


def _points(strip: DotPlot) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for dots in strip.dots for x, y in POINT.findall(dots.path)]


@given(scores)
def test_every_score_is_one_dot_inside_the_picture(values: list[float]) -> None:
    points = _points(_strip(values))
    assert len(points) == len(values)
    assert all(LEFT - 5 <= x <= RIGHT + 5 and TOP <= y < FLOOR for x, y in points)


@given(scores)
def test_dots_are_counted_by_verdict(values: list[float]) -> None:
    strip = _strip(values)
    assert {dots.verdict: dots.count for dots in strip.dots} == dict(strip.counts)


def test_what_fails_lies_right_of_the_limit() -> None:
    strip = _strip([0.2, 0.5, 1.4, 3.0])
    assert strip.limit is not None
    (failing,) = [dots for dots in strip.dots if dots.verdict is Verdict.FAIL]
    assert all(float(x) > strip.limit.x for x, _ in POINT.findall(failing.path))


def test_equal_scores_stand_on_each_other() -> None:
    points = _points(_strip([0.5] * 4))
    assert len({x for x, _ in points}) == 1
    assert len({y for _, y in points}) == 4


def test_few_dots_are_larger_than_many() -> None:
    assert _strip([0.1, 0.5]).dot > _strip([0.5] * 15).dot


def test_a_finding_without_a_score_is_counted_not_drawn() -> None:
    strip = _strip([0.5, None, math.nan])
    assert (strip.unscored, len(_points(strip))) == (2, 1)


def test_a_score_that_is_too_far_out_is_drawn_at_the_edge_and_said() -> None:
    assert _strip([0.5, 1e6]).beyond == 1


def test_the_bars_of_real_scans_hang_below_the_dots() -> None:
    bars = _strip([0.5], real=[0.1, 0.2, 0.2, 0.6]).bars
    assert sum(bar.count for bar in bars) == 4
    assert all(bar.y == FLOOR and bar.y + bar.height <= BOTTOM for bar in bars)


@pytest.mark.parametrize("limit", [None, 1.0])
def test_without_real_scans_there_are_only_dots(limit) -> None:
    strip = _strip([0.5, 0.7], limit=limit, real=[])
    assert (strip.bars, len(_points(strip))) == ((), 2)


def test_the_scores_of_several_modalities_are_shown_together() -> None:
    findings = (Finding("anomaly", "a.nii", Verdict.PASS, "Said.", 0.5, 1.0),)
    calibrations = {
        "anomaly": {
            "T1w": Calibration((0.1, 0.2), "T1w"),
            "FLAIR": Calibration((0.3,), "FLAIR"),
        }
    }
    run = Run("1", "now", Verdict.PASS, (), (), "enforce", findings, {}, calibrations=calibrations)
    (strip,) = dot_plots(run)
    assert (strip.calibration_count, strip.source) == (3, "T1w; FLAIR")


def test_a_finding_on_the_release_has_no_strip() -> None:
    findings = (Finding("metadata", "", Verdict.PASS, "Said.", 0.0, 0.0),)
    assert dot_plots(Run("1", "now", Verdict.PASS, (), (), "enforce", findings, {})) == []
