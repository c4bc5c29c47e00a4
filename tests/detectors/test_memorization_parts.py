"""The parts of the memorization check: patterns, blocks, and what the blocks vote for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import ndimage

from pytest_safegen import Prepared
from safegen_detectors.memorization.descriptors import (
    BLOCK,
    Lattice,
    blocks,
    described,
    halved,
    lattice_of,
    pattern,
    principal_axes,
)
from safegen_detectors.memorization.scoring import spread_over_blocks
from safegen_detectors.memorization.votes import Index, Vote, evidence, strongest, votes

SHAPE = (48, 48, 48)
EVERYWHERE = np.ones(SHAPE, dtype=bool)
PATIENTS = range(4)
LATTICE = lattice_of(EVERYWHERE)


def prepared(seed: int) -> Prepared:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 1.5)
    voxels = (0.5 + 0.1 * field / field.std()).astype(np.float32)
    return Prepared(voxels, EVERYWHERE, np.eye(4), np.eye(4))


@pytest.fixture(scope="module")
def index() -> Index:
    cut = [blocks(pattern(prepared(patient)), LATTICE) for patient in PATIENTS]
    axes = principal_axes(np.concatenate(cut))
    descriptors = torch.stack([described(one, axes) for one in cut])
    return Index(descriptors, np.array(PATIENTS), LATTICE, axes)


def loudest(index: Index, scan: Prepared) -> Vote:
    return max(votes(scan, index), key=lambda vote: vote.together)


def vote(together: float, locally: float) -> Vote:
    nothing = np.zeros(1)
    return Vote(0, nothing, nothing, together, locally, mirrored=False, inverted=False)


def test_halving_takes_the_mean_of_eight_voxels() -> None:
    volume = np.arange(64.0, dtype=np.float32).reshape(4, 4, 4)

    assert halved(volume)[0, 0, 0] == volume[:2, :2, :2].mean()


def test_halving_drops_an_odd_last_slice() -> None:
    assert halved(np.zeros((5, 4, 7), dtype=np.float32)).shape == (2, 2, 3)


def test_the_blocks_lie_within_the_grid_with_room_for_a_shift() -> None:
    assert LATTICE.corners.min() >= 1
    assert (LATTICE.corners.max(0) + BLOCK < np.array(SHAPE) // 2).all()


def test_no_block_lies_outside_the_body() -> None:
    body = EVERYWHERE.copy()
    body[24:] = False

    assert lattice_of(body).centres()[:, 0].max() < 24 + BLOCK / 2


def test_a_body_smaller_than_a_block_has_no_blocks() -> None:
    assert len(lattice_of(np.zeros(SHAPE, dtype=bool)).corners) == 0


@settings(max_examples=10, deadline=None)
@given(gain=st.floats(0.5, 2.0), offset=st.floats(-0.2, 0.2))
def test_the_pattern_does_not_depend_on_brightness_and_contrast(gain: float, offset: float) -> None:
    scan = prepared(0)

    changed = pattern(replace(scan, voxels=gain * scan.voxels + np.float32(offset)))

    assert np.corrcoef(changed.ravel(), pattern(scan).ravel())[0, 1] > 0.999


def test_the_pattern_of_an_inverted_scan_is_the_negative() -> None:
    scan = prepared(0)

    inverted = pattern(replace(scan, voxels=1 - scan.voxels))

    np.testing.assert_allclose(inverted, -pattern(scan), atol=1e-3)


def test_the_mirrored_pattern_is_that_of_the_mirrored_scan() -> None:
    scan = prepared(0)
    turned = replace(scan, voxels=np.ascontiguousarray(scan.voxels[::-1]))

    np.testing.assert_allclose(pattern(scan, mirrored=0), pattern(turned), atol=1e-5)


def test_the_pattern_is_blank_outside_the_body() -> None:
    body = EVERYWHERE.copy()
    body[:24] = False

    assert not pattern(replace(prepared(0), body=body))[:12].any()


def test_a_block_is_cut_at_its_corner() -> None:
    volume = pattern(prepared(0))
    i, j, k = LATTICE.corners[5]

    cut = volume[i : i + BLOCK, j : j + BLOCK, k : k + BLOCK].ravel()

    np.testing.assert_allclose(blocks(volume, LATTICE)[5], cut - cut.mean(), atol=1e-5)


def test_a_shifted_block_is_that_of_the_volume_moved_back() -> None:
    volume = pattern(prepared(0))

    shifted = blocks(volume, LATTICE, shift=(1, 0, -1))

    moved = np.roll(volume, (-1, 0, 1), (0, 1, 2))
    np.testing.assert_allclose(shifted, blocks(moved, LATTICE), atol=1e-5)


def test_descriptors_have_length_one(index: Index) -> None:
    torch.testing.assert_close(index.descriptors.norm(dim=2), torch.ones(4, len(LATTICE.corners)))


@pytest.mark.parametrize("patient", PATIENTS)
def test_a_copy_votes_for_its_patient(index: Index, patient: int) -> None:
    assert loudest(index, prepared(patient)).patient == patient


def test_a_copy_has_a_likeness_of_one(index: Index) -> None:
    assert loudest(index, prepared(1)).likeness == pytest.approx(1.0, abs=1e-3)


def test_a_copy_shifted_by_a_lattice_voxel_is_as_alike(index: Index) -> None:
    scan = prepared(1)
    shifted = replace(scan, voxels=np.roll(scan.voxels, 2, axis=1))

    assert loudest(index, shifted).likeness.mean() > 0.9


def test_an_unknown_patient_gets_far_less_evidence_than_a_copy(index: Index) -> None:
    assert loudest(index, prepared(9)).together < loudest(index, prepared(1)).together / 5


@pytest.mark.parametrize(("mirrored", "inverted"), [(True, False), (False, True), (True, True)])
def test_the_vote_tells_how_the_copy_was_turned(
    index: Index, mirrored: bool, inverted: bool
) -> None:
    scan = prepared(2)
    voxels = scan.voxels[::-1] if mirrored else scan.voxels
    voxels = 1 - voxels if inverted else voxels

    found = loudest(index, replace(scan, voxels=np.ascontiguousarray(voxels)))

    assert (found.patient, found.mirrored, found.inverted) == (2, mirrored, inverted)


def test_margins_are_never_negative(index: Index) -> None:
    assert min(vote.margin.min() for vote in votes(prepared(9), index)) >= 0


def test_two_scans_of_one_patient_are_no_rivals(index: Index) -> None:
    twice = replace(
        index,
        descriptors=torch.cat([index.descriptors, index.descriptors[:1]]),
        patients=np.array([*PATIENTS, 0]),
    )

    assert loudest(twice, prepared(0)).together == pytest.approx(
        loudest(index, prepared(0)).together, rel=1e-4
    )


def test_the_same_scan_of_two_patients_makes_them_rivals(index: Index) -> None:
    doubled = replace(
        index,
        descriptors=torch.cat([index.descriptors, index.descriptors[:1]]),
        patients=np.array([*PATIENTS, 4]),
    )

    assert loudest(doubled, prepared(0)).together < loudest(index, prepared(0)).together / 5


def test_evidence_at_the_median_of_unseen_patients_is_nothing() -> None:
    assert evidence(vote(1.0, 1.0), [0.0, 0.0], [1.0, 1.0]) == 0.0


def test_evidence_is_that_of_the_stronger_of_whole_and_part() -> None:
    assert evidence(vote(1.0, float(np.e)), [0.0, 0.0], [0.5, 0.5]) == pytest.approx(2.0)


def test_no_margin_at_all_gives_a_finite_evidence() -> None:
    assert np.isfinite(evidence(vote(0.0, 0.0), [0.0, 0.0], [1.0, 1.0]))


def test_the_strongest_vote_is_that_with_the_most_evidence() -> None:
    weak, strong = vote(0.1, 0.1), vote(0.1, 3.0)

    assert strongest([weak, strong], [0.0, 0.0], [1.0, 1.0]) is strong


def test_each_voxel_gets_the_mean_of_the_blocks_over_it() -> None:
    lattice = Lattice(np.array([[0, 0, 0], [1, 0, 0]]))

    spread = spread_over_blocks(np.array([1.0, 3.0]), lattice, (40, 20, 20))

    assert [spread[i, 0, 0] for i in (0, 2, 2 * BLOCK, 39)] == [1.0, 2.0, 3.0, 0.0]
