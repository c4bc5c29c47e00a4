"""Scans come onto a common grid without moving in the world."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, strategies as st
from prepare_samples import (
    HEAD,
    HOUNSFIELD,
    ORIENTATIONS,
    few,
    grid,
    imaged,
    orientations,
    places,
    spacings,
    wrong_by,
)

from pytest_safegen.core.errors import NotJudged
from pytest_safegen.core.scan import Prepared
from pytest_safegen.prepare.canonical import canonical
from pytest_safegen.prepare.options import PrepareOptions
from pytest_safegen.prepare.resample import (
    spacing_of,
)
from pytest_safegen.testing import SPACING, phantom


@few
@given(orientations, spacings, places)
def test_a_canonical_scan_shows_the_same_picture_in_the_world(
    codes: str, spacing: Any, place: Any
) -> None:
    assert wrong_by(canonical(imaged(grid(codes, spacing, place)), HOUNSFIELD)) < 12


@few
@given(orientations, spacings, st.tuples(*[st.floats(-25, 25)] * 3))
def test_an_oblique_scan_shows_the_same_picture_in_the_world(
    codes: str, spacing: Any, turn: Any
) -> None:
    scan = imaged(grid(codes, spacing, turn=turn))
    assert wrong_by(canonical(scan, HOUNSFIELD)) < 12


@few
@given(orientations, spacings)
def test_a_canonical_scan_points_right_anterior_superior(codes: str, spacing: Any) -> None:
    prepared = canonical(imaged(grid(codes, spacing)), HOUNSFIELD)
    assert nib.orientations.aff2axcodes(prepared.affine) == ("R", "A", "S")


@few
@given(orientations, spacings)
def test_a_canonical_scan_is_isotropic(codes: str, spacing: Any) -> None:
    prepared = canonical(imaged(grid(codes, spacing)), HOUNSFIELD)
    np.testing.assert_allclose(spacing_of(prepared.affine), 3.0, atol=1e-6)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_the_order_of_the_axes_does_not_matter(codes: str) -> None:
    scan = imaged(grid("RAS", (3, 3, 3)))
    turn = nib.orientations.axcodes2ornt(codes)
    turned = nib.orientations.apply_orientation(scan.voxels, turn)
    back = scan.affine @ nib.orientations.inv_ornt_aff(turn, scan.voxels.shape)
    prepared = canonical(replace(scan, voxels=turned, affine=back), HOUNSFIELD)
    np.testing.assert_array_equal(prepared.voxels, canonical(scan, HOUNSFIELD).voxels)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("options", [HOUNSFIELD, HEAD])
def test_a_scan_that_is_not_finite_is_not_judged(value: float, options: PrepareOptions) -> None:
    values = np.array(phantom(1).voxels)
    values[3, 3, 3] = value
    with pytest.raises(NotJudged, match="NaN or infinite"):
        canonical(replace(phantom(1), voxels=values), options)


@pytest.mark.parametrize("part", ["voxels", "body"])
def test_a_prepared_scan_cannot_be_written_to(part: str) -> None:
    assert not getattr(canonical(phantom(1), HEAD), part).flags.writeable


def test_preparing_leaves_the_scan_as_it_was() -> None:
    scan = phantom(1)
    canonical(replace(scan), HEAD)
    np.testing.assert_array_equal(scan.voxels, phantom(1).voxels)


def annotated(spacing: float, *, voxels: int = 8) -> Prepared:
    """A prepared head with a cube of annotated pathology in the middle."""
    scan = phantom(1)
    mask = np.zeros(scan.voxels.shape, dtype=bool)
    mask[20 : 20 + voxels, 24 : 24 + voxels, 16 : 16 + voxels] = True
    return canonical(replace(scan, mask=mask), replace(HEAD, spacing=spacing))


@pytest.mark.parametrize("spacing", [2.0, 4.0, 8.0])
def test_annotated_pathology_keeps_its_place_and_size(spacing: float) -> None:
    own = annotated(spacing)

    assert own.pathology is not None
    assert own.pathology.shape == own.voxels.shape
    places = np.argwhere(own.pathology) @ own.affine[:3, :3].T + own.affine[:3, 3]
    middle = phantom(1).affine @ [23.5, 27.5, 19.5, 1]
    np.testing.assert_allclose(places.mean(0), middle[:3], atol=spacing)
    volume = own.pathology.sum() * spacing**3
    assert volume == pytest.approx((8 * SPACING) ** 3, rel=0.8)
    assert volume >= (8 * SPACING) ** 3


def test_a_small_part_of_a_voxel_is_not_annotated() -> None:
    own = annotated(16.0, voxels=1)

    assert own.pathology is not None
    assert not own.pathology.any()


@pytest.mark.parametrize("mask", [None, np.zeros(phantom(1).voxels.shape, dtype=bool)])
def test_where_nothing_is_annotated_there_is_no_pathology(mask: Any) -> None:
    assert canonical(replace(phantom(1), mask=mask), HEAD).pathology is None


def test_annotated_pathology_cannot_be_written() -> None:
    own = annotated(4.0)

    assert own.pathology is not None
    assert not own.pathology.flags.writeable


@pytest.mark.parametrize("options", [HEAD, HOUNSFIELD])
def test_a_prepared_scan_knows_its_kind_of_scale(options: PrepareOptions) -> None:
    assert canonical(phantom(1), options).intensity == options.intensity
