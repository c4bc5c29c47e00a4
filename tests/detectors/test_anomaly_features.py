"""The feature maps of the anomaly check, against plain references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from safegen_detectors.anomaly.reference.features import (
    FEATURE_NAMES,
    MIRRORED,
    MIRRORED_NAMES,
    box_mean,
    feature_maps,
    gradient_magnitude,
    second_difference,
)

pytestmark = pytest.mark.slow

Volume = NDArray[np.float32]
SHAPE = (9, 8, 10)
AXES = ("steps from left to right", "steps from back to front", "steps from bottom to top")


def volume(seed: int) -> Volume:
    return np.random.default_rng(seed).random(SHAPE).astype(np.float32)


def maps_by_name(voxels: Volume) -> dict[str, Volume]:
    maps = feature_maps(torch.tensor(voxels, dtype=torch.float32)).numpy()
    return dict(zip(FEATURE_NAMES, maps, strict=True))


@pytest.mark.parametrize("width", [1, 3, 5, 7])
def test_box_mean_is_the_uniform_filter_of_scipy(width: int) -> None:
    actual = box_mean(torch.tensor(volume(0)), width).numpy()

    expected = ndimage.uniform_filter(volume(0), width, mode="nearest")
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_box_mean_treats_each_map_by_itself() -> None:
    stacked = torch.tensor(np.stack([volume(0), volume(1)]))

    actual = box_mean(stacked, 3)

    torch.testing.assert_close(actual, torch.stack([box_mean(one, 3) for one in stacked]))


@pytest.mark.parametrize("width", [1, 3])
def test_box_mean_leaves_what_it_is_given_alone(width: int) -> None:
    given = torch.tensor(volume(0))

    box_mean(given, width)

    assert torch.equal(given, torch.tensor(volume(0)))


@pytest.mark.parametrize("axis", range(3))
def test_the_second_difference_is_a_convolution_with_1_minus_2_1(axis: int) -> None:
    actual = second_difference(torch.tensor(volume(1)), axis).numpy()

    expected = ndimage.convolve1d(volume(1), [1, -2, 1], axis=axis, mode="nearest")
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_the_second_difference_of_a_ramp_is_zero_inside() -> None:
    ramp = torch.arange(10.0).expand(*SHAPE)

    assert float(second_difference(ramp, 2)[..., 1:-1].abs().max()) == 0.0


def test_each_feature_has_a_map_on_the_grid_of_the_scan() -> None:
    assert feature_maps(torch.tensor(volume(0))).shape == (len(FEATURE_NAMES), *SHAPE)


def test_mirrored_features_are_named_after_those_that_they_compare() -> None:
    assert [name.removesuffix(", left against right") for name in MIRRORED_NAMES] == [
        FEATURE_NAMES[index] for index in MIRRORED
    ]


@pytest.mark.parametrize("shape", [SHAPE, (1, 8, 8), (8, 1, 8), (1, 1, 1), (2, 2, 2)])
def test_a_blank_volume_of_any_shape_has_finite_features(shape: tuple[int, int, int]) -> None:
    assert bool(torch.isfinite(feature_maps(torch.zeros(shape))).all())


def test_the_gradient_is_the_central_difference_of_numpy() -> None:
    actual = gradient_magnitude(torch.tensor(volume(2))).numpy()

    np.testing.assert_allclose(actual, np.linalg.norm(np.gradient(volume(2)), axis=0), atol=1e-5)


def test_a_ramp_has_the_same_gradient_everywhere() -> None:
    ramp = torch.arange(10.0).expand(*SHAPE)

    torch.testing.assert_close(gradient_magnitude(ramp), torch.ones(SHAPE))


@settings(max_examples=20, deadline=None)
@given(offset=st.floats(-1, 1), seed=st.integers(0, 1000))
def test_all_but_intensities_do_not_depend_on_brightness(offset: float, seed: int) -> None:
    plain, brighter = (maps_by_name(volume(seed) + shift) for shift in (0.0, offset))

    for name in FEATURE_NAMES[3:]:
        np.testing.assert_allclose(plain[name], brighter[name], atol=2e-3, err_msg=name)


@pytest.mark.parametrize("name", FEATURE_NAMES[:3])
def test_brightness_shows_in_the_intensities(name: str) -> None:
    plain, brighter = (maps_by_name(volume(3) + shift)[name] for shift in (0.0, 0.5))

    np.testing.assert_allclose(brighter - plain, 0.5, atol=1e-4)


@pytest.mark.parametrize("name", ["fine texture", "voxel-to-voxel pattern", *AXES])
def test_fine_features_rise_with_noise(name: str) -> None:
    noise = volume(4) - 0.5

    quiet, loud = (maps_by_name(0.5 + size * noise)[name].mean() for size in (0.1, 0.5))

    assert loud > quiet


def test_a_checkerboard_shows_most_in_its_own_feature() -> None:
    flat = np.full((16, 16, 16), 0.5, dtype=np.float32)
    checkers = flat + 0.05 * (-1.0) ** np.indices(flat.shape).sum(0)
    bands = flat + 0.05 * (-1.0) ** np.indices(flat.shape)[0]
    name = "checkerboard pattern"

    plain, waves, found = (maps_by_name(v)[name].mean() for v in (flat, bands, checkers))

    assert found > plain + 2
    # Waves along one axis end at the border, which is why they show a little.
    assert waves == pytest.approx(plain, abs=0.1)


@pytest.mark.parametrize("axis", range(3))
def test_bands_along_an_axis_show_in_the_steps_of_that_axis(axis: int) -> None:
    bands = np.float32(0.5) + 0.05 * (-1.0) ** np.indices((16, 16, 16))[axis]

    steps = [maps_by_name(bands)[name].mean() for name in AXES]

    assert int(np.argmax(steps)) == axis
