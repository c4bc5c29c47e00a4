"""The words and millimetres of a region are true whatever way the voxels are stored."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from nibabel.affines import apply_affine
from nibabel.orientations import apply_orientation, inv_ornt_aff

from safegen_detectors.explain.region import (
    Region,
    describe_region,
    describe_volume,
    worst_region,
)

pytestmark = pytest.mark.slow

SHAPE = (40, 50, 60)
SPACING = (1.0, 2.0, 1.5)
AFFINE = np.diag([*SPACING, 1.0])
AFFINE[:3, 3] = (-20.0, -50.0, -45.0)
BODY = np.ones(SHAPE, bool)
BOX = (slice(30, 34), slice(40, 43), slice(50, 56))
"""High i, j and k: the patient's right, front and upper side in RAS+."""


def map_with(*boxes: tuple[slice, slice, slice], values: tuple[float, ...] = (2.0,)) -> np.ndarray:
    found = np.zeros(SHAPE, np.float32)
    for box, value in zip(boxes, values, strict=True):
        found[box] = value
    return found


def region_of(values: np.ndarray, affine: np.ndarray = AFFINE, **known: object) -> Region:
    found = worst_region(values, affine, known.pop("body", np.ones(values.shape, bool)), **known)
    assert found is not None
    return found


def test_nothing_above_the_limit_is_no_region() -> None:
    assert worst_region(map_with(BOX, values=(0.99,)), AFFINE, BODY) is None


def test_a_map_of_nan_is_no_region() -> None:
    assert worst_region(np.full(SHAPE, np.nan), AFFINE, BODY) is None


def test_what_is_at_the_limit_belongs_to_it() -> None:
    assert worst_region(map_with(BOX, values=(1.0,)), AFFINE, BODY) is not None


def test_the_volume_counts_voxels_in_millilitres() -> None:
    assert region_of(map_with(BOX)).volume_ml == pytest.approx(4 * 3 * 6 * 3.0 / 1000)


def test_the_box_has_the_outer_sides_of_its_voxels() -> None:
    low, high = region_of(map_with(BOX)).box_mm
    assert low == pytest.approx((9.5, 29.0, 29.25))
    assert high == pytest.approx((13.5, 35.0, 38.25))


def test_the_peak_is_in_millimetres() -> None:
    values = map_with(BOX)
    values[31, 41, 52] = 7.0
    region = region_of(values)
    assert (region.peak, region.peak_mm) == (7.0, pytest.approx((11.0, 32.0, 33.0)))


def test_the_region_with_the_highest_peak_is_taken_and_not_the_largest() -> None:
    large = (slice(2, 20), slice(2, 20), slice(2, 20))
    region = region_of(map_with(large, BOX, values=(2.0, 3.0)))
    assert region.box_mm == region_of(map_with(BOX)).box_mm


def test_voxels_that_touch_at_a_corner_are_one_region() -> None:
    values = np.zeros(SHAPE)
    values[3, 3, 3] = values[4, 4, 4] = 2.0
    assert region_of(values).volume_ml == pytest.approx(2 * 3.0 / 1000)


ORIENTATIONS = [
    np.array([[axis, sign] for axis, sign in zip(axes, signs, strict=True)], dtype=float)
    for axes in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_the_region_is_the_same_however_the_voxels_are_stored(orientation: np.ndarray) -> None:
    """All 48 ways to flip and permute the axes, the affine with them."""
    values = map_with(BOX)
    values[31, 41, 52] = 7.0
    turned = apply_orientation(values, orientation)
    affine = AFFINE @ inv_ornt_aff(orientation, SHAPE)
    expected, actual = region_of(values), region_of(turned, affine)
    assert (actual.side, actual.part) == ("right", "right anterior superior")
    assert actual.peak_mm == pytest.approx(expected.peak_mm)
    np.testing.assert_allclose(actual.box_mm, expected.box_mm)


def test_stored_left_to_right_or_right_to_left_is_no_matter() -> None:
    """An LAS file, as scanners often write: the first voxels are the patient's right."""
    las = np.diag([-1.0, 1.0, 1.0, 1.0])
    las[0, 3] = 19.0
    values = map_with((slice(2, 4), slice(20, 22), slice(30, 32)))
    assert region_of(values, las).side == "right"


@pytest.mark.parametrize("corner", list(itertools.product((0.1, 0.5, 0.9), repeat=3)))
def test_the_part_is_named_by_the_thirds_of_the_body(corner: tuple[float, float, float]) -> None:
    i, j, k = (int(share * length) for share, length in zip(corner, SHAPE, strict=True))
    region = region_of(map_with((slice(i, i + 1), slice(j, j + 1), slice(k, k + 1))))
    words = [
        {0.1: low, 0.5: "", 0.9: high}[share]
        for share, (low, high) in zip(
            corner,
            (("left", "right"), ("posterior", "anterior"), ("inferior", "superior")),
            strict=True,
        )
    ]
    assert region.part == (" ".join(word for word in words if word) or "central")
    assert region.side == (words[0] or "central")


def test_the_middle_is_that_of_the_body_and_not_of_the_grid() -> None:
    body = np.zeros(SHAPE, bool)
    body[28:38] = True
    assert region_of(map_with((slice(29, 30), *BOX[1:])), body=body).side == "left"


def test_without_a_body_the_grid_counts() -> None:
    assert region_of(map_with(BOX), body=np.zeros(SHAPE, bool)).side == "right"


def test_the_anatomy_is_what_most_of_the_region_lies_in() -> None:
    labels = np.zeros(SHAPE, np.int16)
    labels[30:33] = 4
    region = region_of(map_with(BOX), labels=labels, names={4: "thalamus"})
    assert region.anatomy == "thalamus"


@pytest.mark.parametrize(("upto", "names"), [(31, {4: "thalamus"}), (33, {5: "pons"}), (33, None)])
def test_no_anatomy_is_named_that_is_not_most_of_it(upto: int, names: dict[int, str]) -> None:
    labels = np.zeros(SHAPE, np.int16)
    labels[30:upto] = 4
    assert region_of(map_with(BOX), labels=labels, names=names).anatomy == ""


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=3, max_size=3), st.floats(0.0, 360.0))
def test_every_voxel_of_the_region_lies_in_its_box(start: list[int], degrees: float) -> None:
    i, j, k = start
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cos, -sin, 0, 5], [sin, cos, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1.0]])
    values = map_with((slice(i, i + 3), slice(j, j + 4), slice(k, k + 2)))
    region = region_of(values, turn @ AFFINE)
    low, high = region.box_mm
    places = apply_affine(turn @ AFFINE, np.argwhere(values > 1))
    assert (places >= np.array(low)).all()
    assert (places <= np.array(high)).all()


def described(volume_ml: float = 4.14, part: str = "left superior", anatomy: str = "") -> str:
    box = ((-32.0, 10.0, 20.0), (-14.0, 30.0, 41.0))
    return describe_region(Region(volume_ml, box, 2.0, (-20.0, 20.0, 30.0), "left", part, anatomy))


def test_a_region_is_described_by_volume_part_and_box() -> None:
    assert described() == (
        "4.1 ml in the left superior part, x -32 to -14, y 10 to 30, z 20 to 41 mm"
    )


def test_the_description_names_the_anatomy() -> None:
    assert "in the left superior part, mostly thalamus, x -32" in described(anatomy="thalamus")


@pytest.mark.parametrize(
    ("millilitres", "text"), [(0.012, "0.012 ml"), (12.4, "12 ml"), (1234.0, "1234 ml")]
)
def test_volumes_have_two_digits_or_are_whole(millilitres: float, text: str) -> None:
    assert describe_volume(millilitres) == text
