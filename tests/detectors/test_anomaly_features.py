"""The feature maps of the anomaly check, against plain references."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import ndimage

from safegen_detectors.anomaly.features import NAMES, box_mean, feature_maps, gradient_magnitude

SHAPE = (9, 8, 10)


def volume(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(SHAPE).astype(np.float32)


def maps_by_name(voxels: np.ndarray) -> dict[str, np.ndarray]:
    maps = feature_maps(voxels, device="cpu").numpy()
    return dict(zip(NAMES, maps, strict=True))


@pytest.mark.parametrize("width", [1, 3, 5, 7])
def test_box_mean_is_the_uniform_filter_of_scipy(width: int) -> None:
    voxels = volume(0)

    actual = box_mean(torch.from_numpy(voxels), width).numpy()

    expected = ndimage.uniform_filter(voxels, width, mode="nearest")
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_box_mean_treats_each_map_by_itself() -> None:
    stacked = torch.from_numpy(np.stack([volume(0), volume(1)]))

    actual = box_mean(stacked, 3)

    torch.testing.assert_close(actual, torch.stack([box_mean(one, 3) for one in stacked]))


def test_each_feature_has_a_map_on_the_grid_of_the_scan() -> None:
    assert feature_maps(volume(0), device="cpu").shape == (len(NAMES), *SHAPE)


def test_read_only_voxels_are_accepted() -> None:
    voxels = volume(0)
    voxels.flags.writeable = False

    assert bool(torch.isfinite(feature_maps(voxels, device="cpu")).all())


def test_a_blank_scan_has_finite_features() -> None:
    assert bool(torch.isfinite(feature_maps(np.zeros(SHAPE), device="cpu")).all())


def test_the_gradient_is_the_central_difference_of_numpy() -> None:
    voxels = volume(2)

    actual = gradient_magnitude(torch.from_numpy(voxels)).numpy()

    np.testing.assert_allclose(actual, np.linalg.norm(np.gradient(voxels), axis=0), atol=1e-5)


def test_a_ramp_has_the_same_gradient_everywhere() -> None:
    ramp = torch.arange(10.0).expand(*SHAPE)

    torch.testing.assert_close(gradient_magnitude(ramp), torch.ones(SHAPE))


@settings(max_examples=20, deadline=None)
@given(offset=st.floats(-1, 1), seed=st.integers(0, 1000))
def test_texture_and_edges_do_not_depend_on_brightness(offset: float, seed: int) -> None:
    plain, brighter = (maps_by_name(volume(seed) + shift) for shift in (0.0, offset))

    kept = [name for name in NAMES if "texture" in name or "edges" in name]
    for name in kept:
        np.testing.assert_allclose(plain[name], brighter[name], atol=1e-3, err_msg=name)


def test_brightness_shows_in_the_intensity() -> None:
    plain, brighter = (maps_by_name(volume(3) + shift)["intensity"] for shift in (0.0, 0.5))

    np.testing.assert_allclose(brighter - plain, 0.5, atol=1e-4)


@pytest.mark.parametrize("name", ["fine texture", "voxel-to-voxel pattern"])
def test_fine_features_rise_with_noise(name: str) -> None:
    noise = volume(4) - 0.5

    quiet, loud = (maps_by_name(0.5 + size * noise)[name].mean() for size in (0.1, 0.5))

    assert loud > quiet
