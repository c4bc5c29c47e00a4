"""Intensities get a common scale, and the body is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from prepare_samples import HEAD, HOUNSFIELD, few, grid, imaged
from stand_in import scan_of

from pytest_safegen.core.errors import NotJudged
from pytest_safegen.prepare.canonical import canonical
from pytest_safegen.prepare.options import PrepareOptions
from pytest_safegen.testing import phantom


@few
@given(st.floats(0.01, 1000), st.floats(-5000, 5000))
def test_the_scale_of_mr_does_not_matter(gain: float, offset: float) -> None:
    scan = phantom(1)
    other = replace(scan, voxels=(gain * scan.voxels + gain * offset).astype(np.float32))
    one, two = canonical(scan, HEAD), canonical(other, HEAD)
    np.testing.assert_allclose(one.voxels, two.voxels, atol=2e-3)


def test_hounsfield_units_keep_their_scale() -> None:
    values = np.linspace(-1200, 1500, 1000).reshape(10, 10, 10)
    prepared = canonical(scan_of(values, affine=grid("RAS", (3, 3, 3))), HOUNSFIELD)
    np.testing.assert_allclose(prepared.voxels, np.clip((values + 1000) / 2000, 0, 1), atol=1e-6)


@pytest.mark.parametrize("value", [0.0, -1024.0, 7.0])
@pytest.mark.parametrize("options", [HOUNSFIELD, HEAD])
def test_a_constant_scan_is_not_judged(value: float, options: PrepareOptions) -> None:
    with pytest.raises(NotJudged, match="same value"):
        canonical(scan_of(np.full((12, 12, 12), value)), options)


def test_a_nearly_empty_scan_is_not_judged() -> None:
    values = np.zeros((40, 40, 40))
    values[20, 20, 20] = 100
    with pytest.raises(NotJudged, match="no body"):
        canonical(scan_of(values, affine=grid("RAS", (4, 4, 4))), HEAD)


def test_the_body_is_where_the_head_is() -> None:
    scan = phantom(1)
    body, head = canonical(scan, HEAD).body, scan.voxels > 50
    assert 2 * (body & head).sum() / (body.sum() + head.sum()) > 0.97


def test_a_hole_in_the_head_belongs_to_the_body() -> None:
    values = np.array(phantom(1).voxels)
    values[18:22, 22:26, 18:22] = 0
    assert canonical(replace(phantom(1), voxels=values), HEAD).body[20, 24, 20]


def test_a_speck_beside_the_head_is_no_body() -> None:
    values = np.array(phantom(1).voxels)
    values[1:3, 1:3, 1:3] = 100
    assert not canonical(replace(phantom(1), voxels=values), HEAD).body[:4, :4, :4].any()


def test_the_body_in_ct_is_what_is_denser_than_air() -> None:
    values = np.where(phantom(1).voxels > 50, 40.0, -1000.0)
    scan = replace(phantom(1), voxels=values.astype(np.float32))
    body = canonical(scan, PrepareOptions(4.0, "ct", "affine")).body
    head = values > 0
    assert 2 * (body & head).sum() / (body.sum() + head.sum()) > 0.97


def test_a_crop_is_body_everywhere() -> None:
    assert canonical(imaged(grid("RAS", (3, 3, 3))), HOUNSFIELD).body.all()
