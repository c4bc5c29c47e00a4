from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pytest_safegen import SafegenError
from safegen_reports.html.images.geometry import (
    PLANES,
    centre_of_mass,
    extract_slice,
    intensity_window,
    position_in_slice,
    to_ras,
    voxel_to_world,
    worst_voxel,
)

pytestmark = pytest.mark.slow

AXES = {plane.name: plane for plane in PLANES}
rotated_affines = st.tuples(
    st.permutations(range(3)),
    st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3),
    st.tuples(*[st.floats(0.4, 5.0)] * 3),
)


def _affine(rotated: tuple[list[int], tuple[float, ...], tuple[float, ...]]) -> np.ndarray:
    order, signs, spacing = rotated
    affine = np.eye(4)
    affine[:3, :3] = np.diag(np.multiply(signs, spacing))[:, list(order)]
    affine[:3, 3] = (-90.0, 12.5, 40.0)
    return affine


def _one_bright(shape: tuple[int, int, int], at: tuple[int, int, int]) -> np.ndarray:
    values = np.zeros(shape, dtype=np.float32)
    values[at] = 1.0
    return values


@given(rotated_affines, st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 5)))
def test_reorienting_to_ras_keeps_every_voxel_where_it_is_in_the_world(rotated, at) -> None:
    affine = _affine(rotated)
    volume = to_ras(_one_bright((4, 5, 6), at), affine)
    voxel = worst_voxel(volume.values)
    assert voxel is not None
    np.testing.assert_allclose(voxel_to_world(volume, voxel), (affine @ [*at, 1.0])[:3], atol=1e-6)


@given(rotated_affines)
def test_ras_axes_run_to_the_right_front_and_top(rotated) -> None:
    volume = to_ras(np.zeros((4, 5, 6), dtype=np.float32), _affine(rotated))
    assert (np.diag(volume.affine)[:3] > 0).all()


@pytest.mark.parametrize(
    ("name", "direction", "side"),
    [
        ("axial", (1, 0, 0), "left"),
        ("axial", (0, 1, 0), "top"),
        ("coronal", (1, 0, 0), "left"),
        ("coronal", (0, 0, 1), "top"),
        ("sagittal", (0, 1, 0), "left"),
        ("sagittal", (0, 0, 1), "top"),
    ],
)
def test_what_lies_right_front_or_top_is_shown_at_its_letter(name, direction, side) -> None:
    middle = (4, 4, 4)
    at = tuple(int(m + 3 * d) for m, d in zip(middle, direction, strict=True))
    volume = to_ras(_one_bright((9, 9, 9), at), np.eye(4))
    rows, columns = np.nonzero(extract_slice(volume, AXES[name], middle))
    place = {"left": columns[0], "top": rows[0]}[side]
    letter = dict(zip(("left", "right", "top", "bottom"), AXES[name].letters, strict=True))[side]
    assert (place, letter) == (1, "RAS"[direction.index(1)])


@pytest.mark.parametrize("plane", PLANES, ids=lambda plane: plane.name)
def test_the_mark_lies_on_the_pixel_of_its_voxel(plane) -> None:
    at = (1, 5, 2)
    volume = to_ras(_one_bright((6, 7, 8), at), np.diag([2.0, 2.0, 2.0, 1.0]))
    row, column = np.argwhere(extract_slice(volume, plane, at))[0]
    assert position_in_slice(volume, plane, at) == (2 * (column + 0.5), 2 * (row + 0.5))


def test_the_worst_voxel_of_a_plateau_is_its_middle() -> None:
    values = np.zeros((9, 9, 9), dtype=np.float32)
    values[2:7, 3:6, 4:7] = 5.0
    assert worst_voxel(values) == (4, 4, 5)


def test_nan_is_never_the_worst_voxel() -> None:
    values = _one_bright((3, 3, 3), (2, 0, 1))
    values[0, 0, 0] = np.nan
    assert worst_voxel(values) == (2, 0, 1)


def test_a_heatmap_of_nan_has_no_worst_voxel() -> None:
    assert worst_voxel(np.full((2, 2, 2), np.nan)) is None


def test_centre_of_mass_is_that_of_the_bright_part() -> None:
    values = np.full((9, 9, 9), -1000.0)
    values[5:8, 1:4, 3:6] = 50.0
    values[0, 0, 0] = np.nan
    assert centre_of_mass(values) == (6, 2, 4)


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_constant_volume_has_its_centre_of_mass_in_the_middle(value) -> None:
    assert centre_of_mass(np.full((4, 6, 8), value)) == (2, 3, 4)


def test_the_window_takes_no_zero_and_no_nan() -> None:
    values = np.concatenate([np.zeros(1000), np.full(10, np.nan), np.linspace(100, 200, 101)])
    assert intensity_window(values) == pytest.approx((101, 199))


@pytest.mark.parametrize("value", [0.0, 5.0, np.nan])
def test_the_window_of_a_constant_volume_has_a_width(value) -> None:
    low, high = intensity_window(np.full(8, value))
    assert low < high


@pytest.mark.parametrize("broken", [0.0, np.nan])
def test_an_affine_without_space_is_refused(broken) -> None:
    with pytest.raises(SafegenError, match="affine"):
        to_ras(np.zeros((2, 2, 2)), np.diag([1.0, 1.0, broken, 1.0]))
