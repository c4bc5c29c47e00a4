"""Scans are aligned to a template, and maps find their way back."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from prepare_samples import HEAD, grid, known_map
from scipy import ndimage
from stand_in import scan_of

from pytest_safegen.core.scan import Prepared, Scan
from pytest_safegen.prepare.canonical import canonical
from pytest_safegen.prepare.options import PrepareOptions
from pytest_safegen.prepare.resample import (
    to_prepared_grid,
    to_scan_grid,
)
from pytest_safegen.prepare.template import Template, align, build_template
from pytest_safegen.testing import phantom


@pytest.fixture(scope="module")
def template() -> Template:
    return build_template([canonical(phantom(n), HEAD) for n in range(3)], HEAD, rounds=1)


@pytest.fixture(scope="module")
def turned() -> Scan:
    """A phantom whose file has other axes and lies elsewhere in the world."""
    scan = phantom(5)
    turn = nib.orientations.axcodes2ornt("PSL")
    values = nib.orientations.apply_orientation(scan.voxels, turn)
    place = known_map(degrees=(5, 0, -4), shift=(30, -40, 20))
    affine = place @ scan.affine @ nib.orientations.inv_ornt_aff(turn, scan.voxels.shape)
    return replace(scan, voxels=np.ascontiguousarray(values), affine=affine)


@pytest.fixture(scope="module")
def aligned(template: Template, turned: Scan) -> Prepared:
    return align(canonical(turned, HEAD), template)


def test_an_aligned_scan_lies_on_the_grid_of_the_template(
    aligned: Prepared, template: Template
) -> None:
    assert aligned.voxels.shape == template.voxels.shape
    np.testing.assert_array_equal(aligned.affine, template.affine)


def test_an_aligned_scan_looks_like_the_template(aligned: Prepared, template: Template) -> None:
    assert aligned.similarity is not None
    assert aligned.similarity > 0.5


def test_aligning_gives_the_same_twice(aligned: Prepared, template: Template, turned: Scan) -> None:
    again = align(canonical(turned, HEAD), template)
    np.testing.assert_allclose(again.voxels, aligned.voxels, atol=1e-6)


def test_a_map_finds_its_way_back_to_the_scan(aligned: Prepared, turned: Scan) -> None:
    smooth = ndimage.gaussian_filter(np.asarray(turned.voxels), 2.0)
    back = to_scan_grid(to_prepared_grid(smooth, aligned, turned), aligned, turned)
    inside = ndimage.binary_erosion(turned.voxels > 50, iterations=3)
    assert np.abs(back - smooth)[inside].max() < 3.0


def test_a_map_on_the_scans_grid_has_its_shape(aligned: Prepared, turned: Scan) -> None:
    assert to_scan_grid(aligned.voxels, aligned, turned).shape == turned.voxels.shape


def test_a_place_on_the_prepared_grid_has_its_place_in_the_scan(
    aligned: Prepared, turned: Scan
) -> None:
    spot = np.zeros(aligned.voxels.shape, np.float32)
    index = tuple(int(n) for n in np.argwhere(aligned.body)[1000])
    spot[index] = 1.0
    on_scan = to_scan_grid(ndimage.gaussian_filter(spot, 2.0), aligned, turned)
    peak = np.unravel_index(int(on_scan.argmax()), on_scan.shape)
    there = (turned.affine @ [*peak, 1.0])[:3]
    expected = (aligned.to_scan @ aligned.affine @ [*index, 1.0])[:3]
    assert np.linalg.norm(there - expected) < 4.0


def test_crops_are_aligned_by_their_middles() -> None:
    options = PrepareOptions(2.0, "ct", "centre")
    values = np.random.default_rng(0).normal(0, 300, (13, 13, 13))
    here, there = (grid("RAS", (2, 2, 2), place) for place in ((0, 0, 0), (70, -30, 5)))
    template = build_template([canonical(scan_of(values, affine=here), options)], options)
    found = align(canonical(scan_of(values, affine=there), options), template)
    assert found.similarity == pytest.approx(1.0, abs=1e-4)
