"""A copy is matched to its patient in any pose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from memorization_fields import (
    BODIES,
    CROPS,
    EQUAL,
    LATTICE,
    PATIENTS,
    POSES,
    index_for,
    prepared,
    strongest,
)

from pytest_safegen import Prepared
from safegen_detectors.memorization.features.descriptors import (
    Describer,
    frequencies,
)
from safegen_detectors.memorization.features.pattern import identity_pattern
from safegen_detectors.memorization.search.index import (
    Index,
)
from safegen_detectors.memorization.search.margins import (
    standard_scores,
)
from safegen_detectors.memorization.search.match import likenesses
from safegen_detectors.memorization.search.poses import Pose

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bodies() -> Index:
    return index_for(BODIES)


def with_voxels(scan: Prepared, voxels: np.ndarray) -> Prepared:
    return replace(scan, voxels=np.ascontiguousarray(voxels))


@settings(max_examples=12, deadline=None)
@given(pose=POSES)
def test_a_rotated_scan_is_found_in_its_pose(pose: Pose) -> None:
    index, scan = index_for(CROPS).with_spectra(), prepared(1)
    back = np.flip(scan.voxels, np.flatnonzero(pose.flips).tolist())
    rotated = with_voxels(scan, np.transpose(back, np.argsort(pose.order)))

    found = strongest(index, rotated)

    assert (found.person, found.likeness.pose) == (1, pose)


@pytest.mark.parametrize("patient", PATIENTS)
def test_a_copy_is_matched_to_its_patient(bodies: Index, patient: int) -> None:
    assert strongest(bodies, prepared(patient)).person == patient


@pytest.mark.parametrize("shift", [1, 2])
def test_a_copy_is_found_within_reach(bodies: Index, shift: int) -> None:
    scan = prepared(1)
    moved = with_voxels(scan, np.roll(scan.voxels, shift, axis=1))

    assert strongest(bodies, moved).person == 1


@pytest.mark.parametrize(("mirrored", "inverted"), [(True, False), (False, True), (True, True)])
def test_the_pose_and_the_contrast_of_a_copy_are_found(
    bodies: Index, mirrored: bool, inverted: bool
) -> None:
    scan = prepared(2)
    voxels = scan.voxels[::-1] if mirrored else scan.voxels
    voxels = 1 - voxels if inverted else voxels

    found = strongest(bodies, with_voxels(scan, voxels))

    likeness = found.likeness
    assert (found.person, likeness.pose.is_mirrored, likeness.inverted) == (2, mirrored, inverted)


def test_two_scans_of_one_person_do_not_compete(bodies: Index) -> None:
    twice = replace(
        bodies,
        descriptors=torch.cat([bodies.descriptors, bodies.descriptors[:, :1]], 1),
        persons=np.array([*PATIENTS, 0]),
    )

    assert strongest(twice, prepared(0)).value(EQUAL) == pytest.approx(
        strongest(bodies, prepared(0)).value(EQUAL), rel=1e-4
    )


def test_a_person_with_five_scans_is_no_nearer_to_strangers(bodies: Index) -> None:
    """By the best of five scans at each block, strangers would be nearer to their person."""
    others = [prepared(number) for number in range(10, 22)]
    plain = Describer(LATTICE, torch.ones(len(frequencies())))
    more = [
        bodies.describer.normalise(plain.coefficients(identity_pattern(one), reach=0)[:, 0])
        for one in others
    ]
    joined = replace(
        bodies,
        descriptors=torch.cat([bodies.descriptors, torch.stack(more, 1)], 1),
        persons=np.array([*PATIENTS, *[0] * 4, *range(5, 13)]),
        names=tuple(f"sub-{n}" for n in range(13)),
    )
    found = [likenesses(identity_pattern(prepared(number)), joined)[0] for number in range(40, 46)]

    above = [float(standard_scores(one.cosines).mean(1)[0]) for one in found]

    assert np.mean(above) < 0.2


def test_the_same_scan_of_two_persons_makes_them_compete(bodies: Index) -> None:
    doubled = replace(
        bodies,
        descriptors=torch.cat([bodies.descriptors, bodies.descriptors[:, :1]], 1),
        persons=np.array([*PATIENTS, 5]),
        names=(*bodies.names, "sub-5"),
    )

    copied = strongest(doubled, prepared(0)).value(EQUAL)

    assert copied < strongest(bodies, prepared(0)).value(EQUAL) / 4
