"""Faults of voxel values are measured and located."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from integrity_scans import (
    FAULTS,
    SHAPE,
    clipped_top,
    dropped_slice,
    measure_of,
    nan_block,
    sane_scan,
    score_of,
    with_voxels,
)

from pytest_safegen.judging.verdict import judge
from safegen_detectors.integrity import IntegrityDetector
from safegen_detectors.integrity.content import blank_slices, body_mask


def test_a_nan_block_is_located_in_mm() -> None:
    finding = judge("i", "x", score_of(nan_block(sane_scan())), rules=IntegrityDetector().rules)
    assert "around (23, 43, 13) mm" in finding.reason


def test_a_dropped_slice_is_named() -> None:
    finding = judge("i", "x", score_of(dropped_slice(sane_scan())), rules=IntegrityDetector().rules)
    assert "k = 18, the first at (40, 44, 36) mm" in finding.reason


def test_the_heatmap_of_a_nan_block_is_finite_and_at_least_1_only_there() -> None:
    scan = nan_block(sane_scan())
    heatmap = score_of(scan).heatmap
    assert heatmap is not None
    assert np.array_equal(heatmap.values >= 1, np.isnan(scan.voxels))
    assert np.isfinite(heatmap.values).all()


def test_the_heatmap_of_a_dropped_slice_is_that_slice() -> None:
    heatmap = score_of(dropped_slice(sane_scan())).heatmap
    assert heatmap is not None
    assert set(np.argwhere(heatmap.values >= 1)[:, 2]) == {18}


def test_the_heatmap_of_a_clipped_scan_is_where_it_is_cut_off() -> None:
    scan = clipped_top(sane_scan())
    heatmap = score_of(scan).heatmap
    assert heatmap is not None
    assert np.array_equal(heatmap.values >= 1, scan.voxels == scan.voxels.max())


def test_a_fault_without_a_place_has_no_heatmap() -> None:
    assert score_of(FAULTS["constant"](sane_scan())).heatmap is None


def test_the_nonfinite_share_is_the_planted_share() -> None:
    expected = 4 * 4 * 4 / np.prod(SHAPE)
    assert measure_of(nan_block(sane_scan()), "nonfinite_share") == pytest.approx(expected)


def test_the_clipped_share_grows_with_clipping() -> None:
    scan = sane_scan()
    cut = [with_voxels(scan, np.minimum(scan.voxels, level)) for level in (180, 150, 120, 100)]
    shares = [measure_of(each, "clipped_share") for each in cut]
    assert shares == sorted(shares)
    assert shares[0] < 0.02 < 0.05 < shares[-1]


def test_a_blank_slice_outside_the_body_is_not_counted() -> None:
    scan = sane_scan()
    voxels = scan.voxels.copy()
    voxels[:, :, 1] = 0
    assert measure_of(with_voxels(scan, voxels), "blank_slices") == 0


def test_blank_slices_agree_with_a_plain_search() -> None:
    voxels = sane_scan().voxels.copy()
    voxels[15, :, :] = voxels[22, :, :] = voxels[23, :, :] = 3
    plain = [i for i in range(SHAPE[0]) if len(np.unique(voxels[i])) == 1]
    assert blank_slices(voxels, body_mask(voxels), 0).tolist() == plain == [15, 22, 23]


@settings(deadline=None, max_examples=20)
@given(st.floats(0.01, 1000), st.floats(-1000, 1000))
def test_scale_and_offset_leave_the_body_where_it_is(scale: float, offset: float) -> None:
    voxels = sane_scan().voxels
    changed = (voxels.astype(np.float64) * scale + offset).astype(np.float32)
    assert (body_mask(changed) != body_mask(voxels)).mean() < 0.001
