from __future__ import annotations

import base64
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_safegen import Heatmap, Scan, ScanRef
from safegen_reports.html.images.geometry import Volume
from safegen_reports.html.images.viewer_data import (
    downsample,
    downsampling_factors,
    encode_intensities,
    encode_map,
    encode_scan,
    pack_voxels,
)

pytestmark = pytest.mark.slow

SHAPE = (5, 6, 7)
RANDOM = np.random.default_rng(0)


def _unpacked(text: str, shape: tuple[int, ...], kind: int = 1) -> np.ndarray:
    """What the page does, written plainly."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    planes = planes.reshape(kind, -1).astype(np.uint32)
    codes = sum(planes[n] << (8 * n) for n in range(kind))
    return np.asarray(codes).reshape(shape, order="F")


def _values(facts: dict[str, Any], shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return facts["low"] + facts["step"] * _unpacked(facts["data"], shape, facts["bytes"])


def test_bytes_survive() -> None:
    codes = RANDOM.integers(0, 256, SHAPE).astype(np.uint8)
    np.testing.assert_array_equal(_unpacked(pack_voxels(codes), SHAPE), codes)


def test_two_bytes_a_voxel_survive() -> None:
    codes = RANDOM.integers(0, 4096, SHAPE).astype(np.uint16)
    np.testing.assert_array_equal(_unpacked(pack_voxels(codes), SHAPE, 2), codes)


@pytest.mark.parametrize("low", [-100, 0, 1000])
def test_full_numbers_of_a_small_range_lose_nothing(low: int) -> None:
    values = RANDOM.integers(low, low + 200, SHAPE).astype(np.float32)
    np.testing.assert_array_equal(_values(encode_intensities(values)), values)


def test_ct_numbers_lose_less_than_a_unit() -> None:
    values = RANDOM.integers(-1024, 3072, (20, 20, 20)).astype(np.float32)
    inner = (values > -1000) & (values < 3050)
    shown = _values(encode_intensities(values), values.shape)
    assert np.abs(shown - values)[inner].max() <= 1.0


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_leaves_the_rest_alone(odd: float) -> None:
    values = RANDOM.integers(0, 200, SHAPE).astype(np.float32)
    values[1, 2, 3] = odd
    good = np.isfinite(values)
    np.testing.assert_array_equal(_values(encode_intensities(values))[good], values[good])


def test_a_scan_of_nothing_but_nan_is_drawn_empty() -> None:
    assert (_values(encode_intensities(np.full(SHAPE, np.nan, np.float32))) == 0).all()


def test_a_small_scan_keeps_every_voxel() -> None:
    assert downsampling_factors(Volume(np.zeros((90, 110, 90), np.uint8), np.eye(4))) == (1, 1, 1)


def test_a_large_scan_is_downsampled_until_it_is_small() -> None:
    volume = Volume(np.broadcast_to(np.uint8(0), (512, 512, 300)), np.diag([0.7, 0.7, 2.5, 1]))
    factors = downsampling_factors(volume)
    assert np.prod(np.ceil(np.array(volume.values.shape) / factors)) <= 4_000_000
    assert factors == (4, 4, 2)


@pytest.mark.parametrize("shape", [(4, 6, 8), (5, 7, 9)])
def test_merged_voxels_lie_where_their_middle_was(shape) -> None:
    affine = np.array([[2.0, 0, 0.1, 5], [0, 1.5, 0, -3], [0, 0.2, 3, 7], [0, 0, 0, 1]])
    i, j, k = np.indices(shape).astype(float)
    full = Volume(i + 10 * j + 100 * k, affine)
    small = downsample(full, (2, 2, 1), np.mean)
    assert small.values.shape == (-(-shape[0] // 2), -(-shape[1] // 2), shape[2])
    np.testing.assert_allclose(small.values[1, 1, 2], 2.5 + 25 + 200)
    centre = affine @ [2.5, 2.5, 2, 1]
    np.testing.assert_allclose(small.affine @ [1, 1, 2, 1], centre)


def test_a_peak_survives_downsampling() -> None:
    values = np.zeros((6, 6, 6), np.float32)
    values[3, 3, 3] = 2.0
    heatmap = Heatmap(values, np.eye(4), "odd", ceiling=4.0)
    facts = encode_map(
        heatmap, (3, 3, 3), finding=1, check="a", name="score", peak=2.0, worst=(3.0, 3.0, 3.0)
    )
    codes = _unpacked(facts.data, (2, 2, 2))
    assert codes.max() == round(2.0 / 4.0 * 255)


def test_the_annotated_lesion_is_encoded() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[2:4, 1:3, 2] = True
    ref = ScanRef("a.nii", "a", None, None, Path("a.nii"))
    scan = Scan(ref, np.ones(SHAPE, np.float32), np.eye(4), mask)
    facts = encode_scan(scan, (1, 1, 1))
    np.testing.assert_array_equal(_unpacked(facts["mask"], SHAPE).astype(bool), mask)
