"""The row of a scan in the table of scans."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_safegen.core.scan import Scan, ScanRef
from pytest_safegen.data.table import facts_of


def scan(voxels: Any, *, mask: Any = None, labels: dict[str, str] | None = None) -> Scan:
    affine = np.diag([-2.0, -2.0, 3.0, 1.0])
    ref = ScanRef("a.nii", "a", "s", "T1w", Path("a.nii"), 2.0, labels=labels or {})
    return Scan(ref, np.asarray(voxels, dtype=np.float32), affine, mask, "int16")


def test_the_row_says_who_and_when() -> None:
    row = facts_of(scan(np.ones((2, 3, 4))))
    names = ("target", "subject", "session", "months", "modality", "stored_type")
    assert [row[name] for name in names] == ["a.nii", "a", "s", 2.0, "T1w", "int16"]


def test_the_row_describes_the_grid() -> None:
    row = facts_of(scan(np.ones((2, 3, 4))))
    assert [row[f"shape_{axis}"] for axis in "ijk"] == [2.0, 3.0, 4.0]
    assert [row[f"spacing_{axis}"] for axis in "ijk"] == [2.0, 2.0, 3.0]
    assert row["orientation"] == "LPS"


def test_statistics_agree_with_numpy() -> None:
    voxels = np.random.default_rng(0).normal(5, 2, (30, 31, 32)).astype(np.float32)
    row = facts_of(scan(voxels))
    expected = [voxels.min(), voxels.max(), voxels.mean(), voxels.std()]
    assert [row[name] for name in ("minimum", "maximum", "mean", "std")] == pytest.approx(expected)


def test_percentiles_of_many_voxels_are_close() -> None:
    voxels = np.random.default_rng(0).uniform(0, 1, (100, 100, 100))
    row = facts_of(scan(voxels))
    assert [row[name] for name in ("p1", "median", "p99")] == pytest.approx(
        [0.01, 0.5, 0.99], abs=0.01
    )


def test_the_background_is_what_equals_the_minimum() -> None:
    voxels = np.ones((2, 2, 2))
    voxels[0, 0] = -3
    assert facts_of(scan(voxels))["background_share"] == 0.25


def test_nonfinite_voxels_are_counted_and_left_out_of_statistics() -> None:
    voxels = np.ones((2, 2, 2))
    voxels[0, 0] = np.nan, np.inf
    row = facts_of(scan(voxels))
    assert (row["nonfinite_share"], row["mean"], row["maximum"]) == (0.25, 1.0, 1.0)


def test_a_scan_of_nan_has_no_statistics() -> None:
    row = facts_of(scan(np.full((2, 2, 2), np.nan)))
    assert (row["nonfinite_share"], row["mean"], row["background_share"]) == (1.0, None, None)


def test_the_columns_do_not_depend_on_the_voxels() -> None:
    assert set(facts_of(scan(np.full((2, 2, 2), np.nan)))) == set(
        facts_of(scan(np.ones((2, 2, 2))))
    )


def test_the_volume_of_the_mask_is_in_millilitres() -> None:
    mask = np.ones((10, 10, 10), dtype=bool)
    assert facts_of(scan(np.ones((10, 10, 10)), mask=mask))["mask_volume_ml"] == pytest.approx(12.0)


def test_without_a_mask_its_volume_is_unknown() -> None:
    assert facts_of(scan(np.ones((2, 2, 2))))["mask_volume_ml"] is None


def test_labels_are_kept_but_never_replace_what_is_measured() -> None:
    row = facts_of(scan(np.ones((2, 2, 2)), labels={"pathology": "glioma", "maximum": "9"}))
    assert (row["pathology"], row["maximum"]) == ("glioma", 1.0)
