"""A scan's mask is read with it, or a sentence says why not."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from pytest_safegen.core.scan import Scan, ScanRef
from pytest_safegen.readers import read_scan

INSIDE = np.zeros((4, 5, 6), dtype=np.uint8)
INSIDE[1, 2, 3] = 2


def save(path: Path, voxels: Any, affine: Any = None) -> Path:
    path.parent.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4) if affine is None else affine), path)
    return path


def scan_with(folder: Path, mask: Path) -> Scan:
    path = save(folder / "s" / "scan.nii", np.ones(INSIDE.shape, np.float32))
    return read_scan(ScanRef("s/scan.nii", "s", None, None, path, mask=mask))


def shifted(by: float) -> Any:
    affine = np.eye(4)
    affine[0, 3] = by
    return affine


def test_a_scan_without_a_mask_has_no_problem(tmp_path: Path) -> None:
    path = save(tmp_path / "scan.nii", INSIDE)
    scan = read_scan(ScanRef("scan.nii", "s", None, None, path))
    assert (scan.mask, scan.mask_problem) == (None, "")


def test_everything_above_zero_is_inside(tmp_path: Path) -> None:
    mask = scan_with(tmp_path, save(tmp_path / "s" / "mask.nii", INSIDE)).mask
    assert mask is not None
    assert (mask.dtype, np.argwhere(mask).tolist()) == (np.bool_, [[1, 2, 3]])


def test_a_mask_cannot_be_written_to(tmp_path: Path) -> None:
    mask = scan_with(tmp_path, save(tmp_path / "s" / "mask.nii", INSIDE)).mask
    assert mask is not None
    assert not mask.flags.writeable


def test_nan_is_outside_of_the_mask(tmp_path: Path) -> None:
    mask = np.full(INSIDE.shape, np.nan, np.float32)
    found = scan_with(tmp_path, save(tmp_path / "s" / "mask.nii", mask)).mask
    assert found is not None
    assert not found.any()


def test_a_mask_in_another_format_is_read(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(INSIDE.T)
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(image, str(tmp_path / "mask.nrrd"))
    assert scan_with(tmp_path, tmp_path / "mask.nrrd").mask is not None


def test_a_mask_of_another_shape_is_none_and_says_so(tmp_path: Path) -> None:
    scan = scan_with(tmp_path, save(tmp_path / "s" / "mask.nii", INSIDE[:3]))
    assert scan.mask is None
    assert scan.mask_problem == (
        "The mask s/mask.nii is not on the grid of its scan: 3 x 5 x 6 instead of 4 x 5 x 6 voxels."
    )


def test_a_mask_of_another_place_is_none_and_says_how_far(tmp_path: Path) -> None:
    scan = scan_with(tmp_path, save(tmp_path / "s" / "mask.nii", INSIDE, shifted(0.5)))
    assert scan.mask is None
    assert "shifted by 0.50 mm" in scan.mask_problem


def test_a_mask_of_another_spacing_is_none_and_says_so(tmp_path: Path) -> None:
    path = save(tmp_path / "s" / "mask.nii", INSIDE, np.diag([1, 1, 1.01, 1]))
    assert "another size or direction" in scan_with(tmp_path, path).mask_problem


@pytest.mark.parametrize("by", [0.0, 0.009])
def test_a_rounded_header_is_the_same_grid(tmp_path: Path, by: float) -> None:
    path = save(tmp_path / "s" / "mask.nii", INSIDE, shifted(by))
    assert scan_with(tmp_path, path).mask is not None


def test_a_mask_that_cannot_be_read_is_none_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "mask.nii.gz").write_text("no")
    scan = scan_with(tmp_path, tmp_path / "mask.nii.gz")
    assert scan.mask is None
    assert scan.mask_problem.startswith("mask.nii.gz is not compressed")
