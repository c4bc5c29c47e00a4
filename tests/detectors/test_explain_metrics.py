"""The measures of a map's quality, against plain references and by their limits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn

from safegen_detectors.explain.metrics import (
    Curve,
    average_precision,
    deletion,
    dice,
    insertion,
    iou,
    pointing_hit,
)
from safegen_detectors.explain.perturbation import (
    cubic_supervoxels,
    spread_over_voxels,
    supervoxel_centres,
    supervoxel_count,
    supervoxel_means,
)

pytestmark = pytest.mark.slow

SHAPE = (6, 6, 6)
TRUTH = np.zeros(SHAPE, bool)
TRUTH[:2, :2, :2] = True
coarse = arrays.arrays(np.float32, (3, 3, 3), elements=st.integers(-3, 3).map(float))
masks = arrays.arrays(np.bool_, (3, 3, 3)).filter(np.any)


# places


def test_a_peak_inside_is_a_hit() -> None:
    values = np.zeros(SHAPE)
    values[1, 1, 1] = 1
    assert pointing_hit(values, TRUTH)


@pytest.mark.parametrize("values", [np.zeros(SHAPE), (~TRUTH).astype(float)])
def test_a_peak_that_is_nowhere_or_outside_is_no_hit(values: np.ndarray) -> None:
    assert not pointing_hit(values, TRUTH)


def test_iou_and_dice_of_a_known_overlap() -> None:
    values = np.zeros(SHAPE)
    values[:2, :2, 1:3] = 1.0  # 8 voxels, 4 of them in the truth of 8
    assert (iou(values, TRUTH), dice(values, TRUTH)) == (pytest.approx(4 / 12), pytest.approx(0.5))


def test_two_empty_masks_are_the_same() -> None:
    nothing = np.zeros(SHAPE)
    assert (iou(nothing, nothing > 0), dice(nothing, nothing > 0)) == (1.0, 1.0)


@settings(deadline=None)
@given(coarse, masks)
def test_iou_and_dice_are_those_of_sets(values: np.ndarray, truth: np.ndarray) -> None:
    outlined = {tuple(place) for place in np.argwhere(values >= 1)}
    inside = {tuple(place) for place in np.argwhere(truth)}
    overlap, union = len(outlined & inside), len(outlined | inside)
    assert iou(values, truth) == pytest.approx(overlap / union)
    assert dice(values, truth) == pytest.approx(2 * overlap / (len(outlined) + len(inside)))


@settings(max_examples=60, deadline=None)
@given(coarse, masks)
def test_average_precision_is_that_of_sklearn(values: np.ndarray, truth: np.ndarray) -> None:
    reference = pytest.importorskip("sklearn.metrics")
    expected = reference.average_precision_score(truth.ravel(), values.ravel())
    assert average_precision(values, truth) == pytest.approx(expected)


def test_a_map_that_says_nothing_gets_the_share_of_the_truth() -> None:
    assert average_precision(np.zeros(SHAPE), TRUTH) == pytest.approx(TRUTH.mean())


def test_average_precision_without_a_truth_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a fault"):
        average_precision(np.zeros(SHAPE), np.zeros(SHAPE, bool))


# super-voxels


@settings(deadline=None)
@given(masks.map(lambda mask: mask.repeat(3, 0).repeat(2, 1)), st.integers(1, 4))
def test_every_body_voxel_is_in_one_cube_and_no_other_is(body: np.ndarray, side: int) -> None:
    labels = cubic_supervoxels(body, side=side)
    np.testing.assert_array_equal(labels >= 0, body)
    assert set(np.unique(labels[body])) == set(range(supervoxel_count(labels)))


@settings(deadline=None)
@given(masks, st.integers(1, 3))
def test_a_cube_is_no_larger_than_its_side(body: np.ndarray, side: int) -> None:
    labels = cubic_supervoxels(body, side=side)
    for label in range(supervoxel_count(labels)):
        assert (np.ptp(np.argwhere(labels == label), axis=0) < side).all()


def test_centres_are_the_middle_of_their_voxels() -> None:
    labels = cubic_supervoxels(np.ones(SHAPE, bool), side=3)
    expected = [np.argwhere(labels == label).mean(axis=0) for label in range(8)]
    np.testing.assert_allclose(supervoxel_centres(labels), expected)


def test_no_body_has_no_cubes() -> None:
    assert supervoxel_count(cubic_supervoxels(np.zeros(SHAPE, bool), side=2)) == 0


def test_what_is_spread_over_cubes_keeps_its_sums() -> None:
    labels = cubic_supervoxels(~TRUTH, side=4)
    shares = np.random.default_rng(0).normal(size=supervoxel_count(labels))
    found = spread_over_voxels(shares, labels)
    sums = supervoxel_means(found, labels) * np.bincount(labels[labels >= 0])
    np.testing.assert_allclose(sums, shares, rtol=1e-5)
    assert not found[TRUTH].any()


# insertion and deletion


class Sum(nn.Module):
    """The score is the sum of the voxels."""

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        return volumes.flatten(1).sum(dim=1, keepdim=True)


LABELS = cubic_supervoxels(np.ones(SHAPE, bool), side=2)
FAULT = torch.from_numpy(TRUTH.astype(np.float32))[None]
NORMAL = torch.zeros(1, *SHAPE)


def curves(values: np.ndarray, **asked: int) -> tuple[Curve, Curve]:
    return tuple(
        way(Sum(), FAULT, NORMAL, values, LABELS, **asked)  # type: ignore[return-value]
        for way in (deletion, insertion)
    )


def test_curves_run_from_the_volume_to_the_baseline_and_back() -> None:
    removed, added = curves(TRUTH.astype(float))
    assert (removed.scores[0], removed.scores[-1]) == (8.0, 0.0)
    assert (added.scores[0], added.scores[-1]) == (0.0, 8.0)
    assert [removed.shares[0], removed.shares[-1], added.shares[0], added.shares[-1]] == [
        0,
        1,
        0,
        1,
    ]


def test_the_true_map_removes_the_score_at_once_and_brings_it_at_once() -> None:
    removed, added = curves(TRUTH.astype(float), steps=27)
    assert (removed.relative_area, added.relative_area) == (
        pytest.approx(0.5 / 27),
        pytest.approx(1 - 0.5 / 27),
    )


def test_the_opposite_map_removes_and_brings_it_last() -> None:
    removed, added = curves(-TRUTH.astype(float), steps=27)
    assert removed.relative_area > 0.95
    assert added.relative_area < 0.05


def test_the_curve_of_a_linear_score_is_known() -> None:
    volume = torch.from_numpy(np.random.default_rng(0).random((1, *SHAPE)).astype(np.float32))
    values = np.random.default_rng(1).random(SHAPE)
    sums = np.bincount(LABELS.ravel(), weights=volume.numpy().ravel())
    ordered = sums[np.argsort(-supervoxel_means(values, LABELS), kind="stable")]
    actual = insertion(Sum(), volume, NORMAL, values, LABELS, steps=27)
    np.testing.assert_allclose(actual.scores, [0, *np.cumsum(ordered)], rtol=1e-4)


@pytest.mark.parametrize(("steps", "points"), [(32, 28), (27, 28), (8, 9), (1, 2)])
def test_the_score_is_asked_for_no_more_often_than_there_are_steps(steps: int, points: int) -> None:
    removed, _ = curves(TRUTH.astype(float), steps=steps)
    assert removed.scores.size == points


def test_a_score_that_does_not_change_has_no_relative_area() -> None:
    values = TRUTH.astype(float)
    curve = deletion(Sum(), NORMAL, NORMAL, values, LABELS)
    with pytest.raises(ValueError, match="the same"):
        _ = curve.relative_area


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=9))
def test_the_area_is_that_of_the_trapezoidal_rule(heights: list[float]) -> None:
    shares = np.linspace(0, 1, len(heights))
    expected = sum((a + b) / 2 for a, b in pairwise(heights)) / (len(heights) - 1)
    assert Curve(shares, np.array(heights)).area == pytest.approx(expected, abs=1e-9)
