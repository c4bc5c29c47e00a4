"""Lesions are matched across time as a reader would match them."""

from __future__ import annotations

import time

import numpy as np
import pytest

from safegen_detectors.longitudinal.maths.lesion_tracking import (
    MAX_LESIONS,
    Lesion,
    elongation,
    farthest_move,
    find_lesions,
    share_outside,
    track_lesions,
)

REACH = 10.0


def lump(x: float, radius: float = 4.0) -> Lesion:
    """A ball of points at 1 mm around (x, 0, 0)."""
    steps = np.indices((21, 21, 21)).reshape(3, -1).T - 10.0
    points = steps[np.linalg.norm(steps, axis=1) <= radius] + (x, 0, 0)
    return Lesion(points, len(points) / 1000)


def tracked(earlier, later):
    return track_lesions(earlier, later, reach=REACH)


def test_parts_are_counted_with_their_volume():
    mask = np.zeros((20, 20, 20), bool)
    mask[2:5, 2:5, 2:5] = mask[10:12, 10:12, 10:12] = True
    mask[18, 18, 18] = True

    found = find_lesions(mask, np.diag([2.0, 2.0, 2.0, 1.0]))

    assert [part.ml for part in found] == pytest.approx([0.216, 0.064])


def test_a_lesion_that_grew_is_matched():
    assert tracked([lump(0)], [lump(1, radius=8)]).matched == ((0, 0),)


def test_a_lesion_within_reach_is_matched_and_one_beyond_is_not():
    assert tracked([lump(0, radius=1.5)], [lump(8, radius=1.5)]).matched == ((0, 0),)
    assert tracked([lump(0, radius=1.5)], [lump(30, radius=1.5)]).vanished == (0,)


def test_two_lesions_that_merge_are_both_matched():
    found = tracked([lump(-6), lump(6)], [lump(0, radius=10)])

    assert found.matched == ((0, 0), (1, 0))
    assert not found.vanished


def test_a_lesion_that_splits_leaves_nothing_new():
    found = tracked([lump(0, radius=10)], [lump(-6), lump(6)])

    assert found.matched == ((0, 0), (0, 1))
    assert not found.new


def test_a_lesion_elsewhere_moved_as_far_as_its_middle():
    earlier, later = [lump(0)], [lump(35)]

    assert farthest_move(
        earlier, later, tracked(earlier, later), volume_factor=1.5
    ) == pytest.approx(35)


def test_a_new_lesion_of_another_size_is_not_one_that_moved():
    earlier, later = [lump(0)], [lump(35, radius=8)]

    assert farthest_move(earlier, later, tracked(earlier, later), volume_factor=1.5) == 0.0


def test_a_lesion_elsewhere_lies_all_outside_and_one_that_grew_does_not():
    assert share_outside(lump(0), lump(20), margin=2.0) == 1.0
    assert share_outside(lump(0), lump(0, radius=6), margin=2.0) == 0.0


def test_nothing_is_matched_with_nothing():
    assert tracked([], [lump(0)]).new == (0,)
    assert tracked([lump(0)], []).vanished == (0,)


def test_a_mask_of_speckles_is_labelled_quickly():
    mask = np.random.default_rng(0).random((96, 96, 96)) < 0.05

    started = time.process_time()
    found = find_lesions(mask, np.eye(4))

    assert len(found) == MAX_LESIONS
    assert time.process_time() - started < 3
    assert [part.ml for part in found] == sorted((part.ml for part in found), reverse=True)


@pytest.mark.parametrize("factor", [1.0, 2.0, 4.0])
def test_elongation_is_the_ratio_of_the_axes(factor):
    axes = np.random.default_rng(0).normal(size=(4000, 3)) * [factor, 1, 1]

    assert elongation(Lesion(axes, 1.0), spacing=1.0) == pytest.approx(factor, rel=0.1)


def test_an_outline_on_one_slice_has_no_shape():
    flat = np.random.default_rng(0).normal(size=(400, 3)) * [8, 8, 0]

    assert elongation(Lesion(flat, 1.0), spacing=5.0) is None
