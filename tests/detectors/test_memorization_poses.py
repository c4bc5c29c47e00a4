"""Poses: 24 rotations and 24 mirror images."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from memorization_fields import LATTICE, POSES

from safegen_detectors.memorization.features.descriptors import (
    frequencies,
)
from safegen_detectors.memorization.search.poses import Pose, all_poses, describe_pose

pytestmark = pytest.mark.slow


@settings(max_examples=48, deadline=None)
@given(pose=POSES)
def test_the_blocks_of_a_pose_are_all_blocks(pose: Pose) -> None:
    assert sorted(pose.block_numbers(LATTICE)) == list(range(len(LATTICE.corners)))


@settings(max_examples=48, deadline=None)
@given(pose=POSES)
def test_the_frequencies_of_a_pose_are_all_frequencies(pose: Pose) -> None:
    assert sorted(pose.frequencies()[0]) == list(range(len(frequencies())))


def test_half_of_all_poses_are_mirror_images() -> None:
    assert sum(pose.is_mirrored for pose in all_poses()) == 24


def test_the_48_poses_differ() -> None:
    assert len({pose.matrix().tobytes() for pose in all_poses()}) == 48


@pytest.mark.parametrize(
    ("pose", "text"),
    [
        (Pose(), ""),
        (Pose(flips=(True, False, False)), "mirrored left-right"),
        (Pose(flips=(False, False, True)), "mirrored top-bottom"),
        (Pose(flips=(True, True, False)), "rotated by right angles"),
        (Pose((1, 0, 2)), "mirrored and rotated by right angles"),
    ],
)
def test_a_pose_is_described(pose: Pose, text: str) -> None:
    assert describe_pose(pose, Pose()) == text
