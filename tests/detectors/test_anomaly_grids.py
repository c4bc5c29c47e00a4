"""Between a scan's own grid and the template's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from anomaly_samples import cohort
from scipy import ndimage

from safegen_detectors.anomaly.reference import grids
from safegen_detectors.anomaly.reference.features import box_mean
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample

pytestmark = pytest.mark.slow

SHAPE = (9, 8, 10)


def maps(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).random((2, *shape)), dtype=torch.float32)


def shift(i: float, j: float, k: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = (i, j, k)
    return matrix


def turned(degrees: float) -> np.ndarray:
    """A turn about the third axis, slightly larger."""
    angle = np.deg2rad(degrees)
    matrix = np.eye(4)
    matrix[:2, :2] = 1.05 * np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    return matrix


def one() -> tuple[Sample, ReferenceStatistics]:
    samples, reference = cohort(3)
    return samples[0], reference


def test_pulling_by_the_identity_changes_nothing() -> None:
    torch.testing.assert_close(grids.pull(maps(), np.eye(4), SHAPE), maps(), atol=1e-5, rtol=0)


def test_pulling_by_whole_voxels_moves_the_map() -> None:
    moved = grids.pull(maps(), shift(2, 1, 3), (7, 7, 7))

    torch.testing.assert_close(moved, maps()[:, 2:9, 1:8, 3:10], atol=1e-5, rtol=0)


def test_pulling_is_the_linear_interpolation_of_scipy() -> None:
    matrix = shift(0.3, 0.6, 0.2) @ turned(5)
    given = maps()

    actual = grids.pull(given, matrix, SHAPE)[0].numpy()

    linear, offset = matrix[:3, :3], matrix[:3, 3]
    expected = ndimage.affine_transform(given[0].numpy(), linear, offset, order=1, mode="nearest")
    np.testing.assert_allclose(actual, expected, atol=1e-4)


@pytest.mark.parametrize(("outside", "value"), [("zeros", 0.0), ("border", 1.0)])
def test_outside_is_nothing_or_the_border(outside: str, value: float) -> None:
    moved = grids.pull(torch.ones(1, *SHAPE), shift(20, 0, 0), SHAPE, outside=outside)  # type: ignore[arg-type]

    assert float(moved.min()) == float(moved.max()) == value


def test_a_volume_of_one_slice_can_be_pulled() -> None:
    thin = maps(shape=(1, 8, 10))

    torch.testing.assert_close(grids.pull(thin, np.eye(4), (1, 8, 10)), thin, atol=1e-5, rtol=0)


def test_to_the_template_and_back_is_where_it_was() -> None:
    sample, _ = one()
    own = grids.tensor(sample.own, "cpu")[None]

    again = grids.onto_own(grids.onto_template(own, sample), sample)

    torch.testing.assert_close(again, own, atol=1e-4, rtol=0)


@pytest.mark.parametrize("last", [0, -1])
def test_the_coarse_way_to_the_own_grid_is_close_for_smooth_maps(last: int) -> None:
    sample, reference = one()
    own = sample.own[: sample.own.shape[0] + last]  # even and odd sides
    sample = replace(sample, own=own, to_template=shift(0.4, 0.7, 0.1) @ sample.to_template)
    smooth = maps(shape=reference.region.shape)
    for _ in range(3):
        smooth = box_mean(smooth, 7)

    coarse = grids.onto_own_coarsely(smooth, sample)

    spread = float(smooth.std())
    torch.testing.assert_close(coarse, grids.onto_own(smooth, sample), atol=spread / 3, rtol=0)


def test_mirrored_twice_is_the_same_place() -> None:
    sample, reference = one()
    sample = replace(sample, to_template=turned(8) @ sample.to_template)

    matrix = grids.mirrored(sample, replace(reference, mirror=2))

    np.testing.assert_allclose(matrix @ matrix, np.eye(4), atol=1e-9)


@pytest.mark.parametrize("roll", [-2, 0, 3])
def test_mirroring_the_own_grid_is_flipping_the_templates(roll: int) -> None:
    sample, reference = one()
    reference = replace(reference, mirror=roll)
    sample = replace(sample, to_template=np.eye(4))
    template = maps(shape=reference.region.shape)

    by_own = grids.pull(template, grids.mirrored(sample, reference), reference.region.shape)

    inner = (slice(None), slice(4, -4))
    torch.testing.assert_close(by_own[inner], grids.flipped(template, reference)[inner])


def test_where_left_and_right_do_not_correspond_nothing_is_mirrored() -> None:
    sample, reference = one()
    lopsided = replace(reference, mirror=None)

    with pytest.raises(ValueError, match="left and right"):
        grids.mirrored(sample, lopsided)
    with pytest.raises(ValueError, match="left and right"):
        grids.flipped(maps(), lopsided)


def test_read_only_half_precision_voxels_become_a_tensor_of_their_own() -> None:
    voxels = np.ones(SHAPE, dtype=np.float16)
    voxels.flags.writeable = False

    made = grids.tensor(voxels, "cpu")
    made += 1

    assert made.dtype == torch.float32
    assert float(voxels.max()) == 1.0
