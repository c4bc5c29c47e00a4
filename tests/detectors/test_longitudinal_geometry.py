"""Affines, grids and masks against closed forms."""

import numpy as np
import pytest
from scipy import ndimage

from safegen_detectors.longitudinal.inputs.geometry import (
    depth_outside,
    mask_points,
    mask_volume,
    mean_size_change,
    rasterize_points,
    spacing_change,
)
from safegen_detectors.longitudinal.inputs.pathologies import (
    sphere_diameter,
)


def noise(seed: int, shape=(14, 15, 16)) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.0)
    return (field / field.std()).astype(np.float32)


def test_volume_and_diameter_of_a_ball_agree():
    distance = np.linalg.norm(np.indices((41, 41, 41)) - 20.0, axis=0) * 0.5
    affine = np.diag([0.5, 0.5, 0.5, 1.0])

    assert sphere_diameter(mask_volume(distance <= 8.0, affine)) == pytest.approx(16.0, rel=0.01)


def test_depth_outside_is_the_distance_to_the_body():
    body = np.zeros((20, 20, 20), bool)
    body[:10] = True
    places = np.array([[4.0, 10, 10], [24.0, 10, 10], [44.0, 10, 10]])

    depths = depth_outside(places, body=body, affine=np.diag([2.0, 2.0, 2.0, 1.0]), spacing=2.0)

    np.testing.assert_allclose(depths, [0.0, 6.0, 26.0])


def test_mask_points_rasterize_to_the_same_mask():
    mask = noise(2) > 1.0
    affine = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, -3], [0, 0, 3.0, 1], [0, 0, 0, 1]])

    found = rasterize_points(mask_points(mask, affine), affine=affine, shape=mask.shape)

    np.testing.assert_array_equal(found, mask)


def test_spacing_change_ignores_the_order_of_the_axes():
    first = np.diag([1.0, 2.0, 3.0, 1.0])

    assert spacing_change(first, first[:, [1, 0, 2, 3]]) == 0.0
    assert spacing_change(first, np.diag([1.0, 2.0, 3.3, 1.0])) == pytest.approx(0.1)


def test_size_change_is_the_mean_stretch_and_ignores_rotations():
    turn = np.array([[0, -1.0, 0, 9], [1, 0, 0, 3], [0, 0, 1, 2], [0, 0, 0, 1]])

    assert mean_size_change(turn) == pytest.approx(0.0)
    assert mean_size_change(turn @ np.diag([1.03, 1.03, 1.03, 1])) == pytest.approx(0.03)
    assert mean_size_change(np.diag([1.06, 1.0, 1.0, 1.0])) == pytest.approx(0.0196, abs=1e-3)
