"""Crops that lie elsewhere are moved back to the person they fit, and others match nobody."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import ndimage

from pytest_safegen import Prepared
from pytest_safegen.prepare.options import PrepareOptions
from pytest_safegen.prepare.template import Template
from safegen_detectors.memorization.copied_region import locate
from safegen_detectors.memorization.features.descriptors import (
    Describer,
    frequencies,
    frequency_weights,
)
from safegen_detectors.memorization.features.lattice import lattice_of
from safegen_detectors.memorization.features.pattern import (
    DISPLACEMENT_STEP,
    FARTHEST_SHARE,
    correlations,
    displace,
    displacements,
    identity_pattern,
    spectra_of,
)
from safegen_detectors.memorization.search.index import Index, neighbourhood_means
from safegen_detectors.memorization.search.margins import Margins, strongest_margins
from safegen_detectors.memorization.search.poses import Pose, all_poses
from safegen_detectors.memorization.search.translation import all_likenesses, translation_search

pytestmark = pytest.mark.slow

SIDE = 31
SHAPE = (SIDE, SIDE, SIDE)
MARGIN = 12
EVERYWHERE = np.ones(SHAPE, dtype=bool)
PATIENTS = range(8)
EQUAL = (1.0, 1.0, 1.0, 1.0)
POSES = st.sampled_from(all_poses())


def crop(seed: int, shift: tuple[int, int, int] = (0, 0, 0)) -> Prepared:
    """A window of a field that goes on beyond it; what is seen moves by `shift` voxels."""
    wide = np.random.default_rng(seed).normal(size=(SIDE + 2 * MARGIN,) * 3)
    field = ndimage.gaussian_filter(wide, 1.5)
    window = tuple(slice(MARGIN - d, MARGIN - d + SIDE) for d in shift)
    voxels = (0.5 + 0.1 * field[window] / field.std()).astype(np.float32)
    return Prepared(voxels, EVERYWHERE, np.eye(4), np.eye(4))


def crops_of(align: str) -> Index:
    lattice = lattice_of(EVERYWHERE, mirrored=(0, 1, 2))
    plain = Describer(lattice, torch.ones(len(frequencies())))
    raw = [plain.coefficients(identity_pattern(crop(n)), reach=0)[:, 0] for n in PATIENTS]
    describer = Describer(lattice, frequency_weights(torch.stack(raw)))
    options = PrepareOptions(1.0, "mr", align)  # type: ignore[arg-type]
    index = Index(
        torch.stack([describer.normalise(one) for one in raw], 1),
        np.array(PATIENTS),
        tuple(f"sub-{n}" for n in PATIENTS),
        describer,
        Template(crop(0).voxels, np.ones(SHAPE, np.float32), np.eye(4), options),
        neighbourhood_means(lattice, "cpu"),
    )
    return index.with_spectra()


@pytest.fixture(scope="module")
def crops() -> Index:
    return crops_of("centre")


def strongest(index: Index, scan: Prepared) -> Margins:
    return strongest_margins(all_likenesses(identity_pattern(scan), index), index, EQUAL)


@pytest.fixture(scope="module")
def highest_unknown(crops: Index) -> float:
    return max(strongest(crops, crop(n)).value(EQUAL) for n in range(20, 26))


@pytest.mark.parametrize("shift", [(5, 0, 0), (-6, 5, 7), (0, -9, 3)])
def test_a_crop_shifted_beyond_reach_scores_above_every_unknown(
    crops: Index, highest_unknown: float, shift: tuple[int, int, int]
) -> None:
    assert strongest(crops, crop(1, shift)).value(EQUAL) > 1.5 * highest_unknown


@pytest.mark.parametrize("patient", PATIENTS)
def test_the_patient_of_a_shifted_crop_is_named(crops: Index, patient: int) -> None:
    assert strongest(crops, crop(patient, (5, -5, 5))).person == patient


def test_a_shifted_crop_is_moved_back_as_far_as_it_was_moved(crops: Index) -> None:
    found = strongest(crops, crop(2, (7, -5, 0))).likeness.displacement

    assert np.abs(np.add(found, (7, -5, 0))).max() <= DISPLACEMENT_STEP / 2


@settings(max_examples=10, deadline=None)
@given(pose=POSES)
def test_a_shifted_crop_is_moved_back_in_every_pose(crops: Index, pose: Pose) -> None:
    fit = translation_search(pose.apply(identity_pattern(crop(3, (6, -3, 0)))), crops)

    assert fit is not None
    back = displace(pose.apply(identity_pattern(crop(3, (6, -3, 0)))), fit.displacement)
    target = identity_pattern(crop(3))
    inner = (slice(9, -9),) * 3
    moved = fit.pose.apply(back)[inner]
    near = [np.roll(target, step, (0, 1, 2))[inner] for step in np.ndindex(3, 3, 3)]
    near += [np.roll(target, [-n for n in step], (0, 1, 2))[inner] for step in np.ndindex(3, 3, 3)]
    assert max(np.corrcoef(moved.ravel(), one.ravel())[0, 1] for one in near) > 0.6


def test_an_unshifted_copy_stays_where_it_is(crops: Index) -> None:
    assert strongest(crops, crop(4)).likeness.displacement == (0, 0, 0)


def test_a_person_left_out_is_not_found(crops: Index, highest_unknown: float) -> None:
    found = all_likenesses(identity_pattern(crop(1, (6, 0, 0))), crops, without=[1])

    assert strongest_margins(found, crops.without(1), EQUAL).value(EQUAL) < 1.5 * highest_unknown


def test_registered_bodies_are_not_moved() -> None:
    assert translation_search(identity_pattern(crop(1, (6, 0, 0))), crops_of("affine")) is None


def test_the_map_of_a_shifted_crop_is_blank_where_the_patient_was_not_seen(crops: Index) -> None:
    scan = crop(5, (9, 0, 0))

    found = locate(identity_pattern(scan), scan, strongest(crops, scan), crops)

    assert found.map[:6].max() == 0
    assert found.map[12:-4, 8:-8, 8:-8].mean() > 1


def test_a_correlation_is_the_sum_of_products_over_the_root_of_the_overlap() -> None:
    one, other = (ndimage.gaussian_filter(crop(n).voxels - 0.5, 3.0) for n in (1, 2))
    steps = displacements(SHAPE)

    found = correlations(one, spectra_of(torch.from_numpy(other)[None]))[0].numpy()

    place = (2, 1, -2)
    step = tuple(int(axis[n]) for axis, n in zip(steps, place, strict=True))
    overlap = np.prod([SIDE - abs(d) for d in step])
    expected = (displace(one, step) * other).sum() / np.sqrt(overlap)  # type: ignore[arg-type]
    assert found[place] == pytest.approx(expected, abs=0.03 * float(found.max()))


def test_nothing_is_searched_beyond_the_farthest_displacement() -> None:
    one = identity_pattern(crop(1))

    found = correlations(one, spectra_of(torch.from_numpy(one)[None]))[0].numpy()

    reached = np.abs(np.stack(np.meshgrid(*displacements(SHAPE), indexing="ij"))).max(0)
    assert not found[reached > FARTHEST_SHARE * SIDE].any()


def test_a_displaced_volume_is_blank_where_nothing_moved_in() -> None:
    volume = np.arange(8.0).reshape(2, 2, 2)

    moved = displace(volume, (1, 0, -1))

    expected = np.zeros((2, 2, 2))
    expected[1, :, 0] = volume[0, :, 1]
    np.testing.assert_array_equal(moved, expected)


def test_other_scans_of_a_person_count_for_the_person(crops: Index) -> None:
    joined = replace(crops, persons=np.array([0, 0, 1, 2, 3, 4, 5, 6]), names=crops.names[:7])

    assert strongest(joined, crop(1, (6, 0, 0))).person == 0
