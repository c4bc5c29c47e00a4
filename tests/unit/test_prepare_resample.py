"""Resampling agrees with scipy, and correlation with numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from prepare_samples import few, grid, positions
from scipy import ndimage
from scipy.spatial.transform import Rotation

from pytest_safegen.prepare.resample import (
    correlation,
    resample,
)


@few
@given(
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.sampled_from([0, 1]),
)
def test_resampling_agrees_with_scipy(turn: Any, shift: Any, order: int) -> None:
    values = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(14, 15, 16)), 1.5)
    source, target = grid("LPS", (2, 2.5, 3), (5, 6, 7)), grid("RAS", (1.5, 2, 2), (1, 2, 3))
    mapping = np.eye(4)
    mapping[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    mapping[:3, 3] = shift
    found = resample(
        values, source, to_affine=target, to_shape=(12, 13, 11), mapping=mapping, order=order
    )
    index = np.linalg.inv(source) @ mapping @ target
    expected = ndimage.affine_transform(
        values, index[:3, :3], index[:3, 3], (12, 13, 11), order=order
    )
    where = positions((12, 13, 11), index)
    inside = ((where > 0) & (where < np.array(values.shape) - 1)).all(axis=-1)
    if order == 0:
        inside &= (np.abs(where % 1 - 0.5) > 1e-3).all(axis=-1)
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-4)


def test_resampling_fills_what_lies_outside() -> None:
    far = grid("RAS", (1, 1, 1), (100, 100, 100))
    found = resample(np.ones((4, 4, 4)), np.eye(4), to_affine=far, to_shape=(2, 2, 2), fill=-7)
    np.testing.assert_array_equal(found, -7)


def test_resampling_onto_the_same_grid_changes_nothing() -> None:
    values = np.random.default_rng(0).random((5, 6, 7)).astype(np.float32)
    found = resample(values, np.eye(4), to_affine=np.eye(4), to_shape=values.shape)
    np.testing.assert_allclose(found, values, atol=1e-6)


def test_correlation_agrees_with_numpy() -> None:
    a, b = np.random.default_rng(0).random((2, 5, 5, 5)).astype(np.float32)
    where = a > 0.3
    assert correlation(a, b, where=where) == pytest.approx(np.corrcoef(a[where], b[where])[0, 1])


@pytest.mark.parametrize("where", [np.zeros((3, 3, 3), bool), np.ones((3, 3, 3), bool)])
def test_correlation_with_a_constant_is_0(where: np.ndarray) -> None:
    a = np.random.default_rng(0).random((3, 3, 3)).astype(np.float32)
    assert correlation(a, np.ones((3, 3, 3), np.float32), where=where) == 0.0
