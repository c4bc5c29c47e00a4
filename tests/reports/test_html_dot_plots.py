from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from pytest_safegen import Calibration, Finding, Run, Verdict
from safegen_reports.html.dot_plots import BOTTOM, FLOOR, LEFT, RIGHT, TOP, DotPlot, dot_plots

pytestmark = pytest.mark.slow

POINT = re.compile(r"M([-\d.]+) ([-\d.]+)h0")
scores = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


def _plot(
    values: Sequence[float | None], *, limit: float | None = 1.0, real: Sequence[float] = (0.2, 0.4)
) -> DotPlot:
    findings = tuple(
        Finding("anomaly", f"{n}.nii", _verdict(value, limit), "Fine.", value, limit)
        for n, value in enumerate(values)
    )
    calibrations = {"anomaly": {"": Calibration(tuple(real), "held out", limit)}}
    run = Run("1", "now", Verdict.PASS, (), (), "enforce", findings, {}, calibrations=calibrations)
    (plot,) = dot_plots(run)
    return plot


def _verdict(value: float | None, limit: float | None) -> Verdict:
    if value is None:
        return Verdict.ERROR
    return Verdict.FAIL if limit is not None and value > limit else Verdict.PASS


def _points(plot: DotPlot) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for dots in plot.dots for x, y in POINT.findall(dots.path)]


@given(scores)
def test_every_score_is_one_dot_inside_the_picture(values: list[float]) -> None:
    points = _points(_plot(values))
    assert len(points) == len(values)
    assert all(LEFT - 5 <= x <= RIGHT + 5 and TOP <= y < FLOOR for x, y in points)


@given(scores)
def test_dots_are_counted_by_verdict(values: list[float]) -> None:
    plot = _plot(values)
    assert {dots.verdict: dots.count for dots in plot.dots} == dict(plot.counts)


def test_what_fails_lies_right_of_the_limit() -> None:
    plot = _plot([0.2, 0.5, 1.4, 3.0])
    assert plot.limit is not None
    (failing,) = [dots for dots in plot.dots if dots.verdict is Verdict.FAIL]
    assert all(float(x) > plot.limit.x for x, _ in POINT.findall(failing.path))


def test_equal_scores_stand_on_each_other() -> None:
    points = _points(_plot([0.5] * 4))
    assert len({x for x, _ in points}) == 1
    assert len({y for _, y in points}) == 4


def test_few_dots_are_larger_than_many() -> None:
    assert _plot([0.1, 0.5]).dot_size > _plot([0.5] * 15).dot_size


def test_a_finding_without_a_score_is_counted_not_drawn() -> None:
    plot = _plot([0.5, None, math.nan])
    assert (plot.unscored, len(_points(plot))) == (2, 1)


def test_a_score_that_is_too_far_out_is_drawn_at_the_edge_and_counted() -> None:
    assert _plot([0.5, 1e6]).off_scale == 1


def test_the_bars_of_real_scans_hang_below_the_dots() -> None:
    bars = _plot([0.5], real=[0.1, 0.2, 0.2, 0.6]).bars
    assert sum(bar.count for bar in bars) == 4
    assert all(bar.y == FLOOR and bar.y + bar.height <= BOTTOM for bar in bars)


@pytest.mark.parametrize("limit", [None, 1.0])
def test_without_real_scans_there_are_only_dots(limit) -> None:
    plot = _plot([0.5, 0.7], limit=limit, real=[])
    assert (plot.bars, len(_points(plot))) == ((), 2)


def _two_modalities() -> Run:
    """A check that is calibrated apart for T1w and FLAIR."""
    findings = (
        Finding("anomaly", "a.nii", Verdict.PASS, "Fine.", 0.5, 1.0, modality="T1w"),
        Finding("anomaly", "b.nii", Verdict.FAIL, "Odd.", 0.5, 0.4, modality="FLAIR"),
    )
    calibrations = {
        "anomaly": {
            "T1w": Calibration((0.1, 0.2), "real T1w scans", 1.0),
            "FLAIR": Calibration((0.3,), "real FLAIR scans", 0.4),
        }
    }
    return Run("1", "now", Verdict.FAIL, (), (), "enforce", findings, {}, calibrations=calibrations)


def test_each_modality_is_plotted_on_its_own_real_scores_and_limit() -> None:
    plots = dot_plots(_two_modalities())
    assert [(plot.title, plot.calibration_count, plot.source) for plot in plots] == [
        ("anomaly, T1w", 2, "real T1w scans"),
        ("anomaly, FLAIR", 1, "real FLAIR scans"),
    ]
    assert [plot.limit.value for plot in plots if plot.limit] == [1.0, 0.4]


def test_a_dot_that_did_not_pass_has_its_target_and_headline_as_tooltip() -> None:
    tooltips = [tooltip for plot in dot_plots(_two_modalities()) for tooltip in plot.tooltips]
    assert [tooltip.text for tooltip in tooltips] == ["b.nii: Odd"]


def test_a_finding_on_the_release_has_no_plot() -> None:
    findings = (Finding("metadata", "", Verdict.PASS, "Fine.", 0.0, 0.0),)
    assert dot_plots(Run("1", "now", Verdict.PASS, (), (), "enforce", findings, {})) == []
