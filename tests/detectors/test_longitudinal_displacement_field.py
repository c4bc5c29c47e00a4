"""Displacement fields that a generator supplies: how they are read and judged."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pytest_safegen.core.errors import ReadError
from pytest_safegen.core.scan import Series
from pytest_safegen.core.targets import ScanTarget, SeriesTarget
from pytest_safegen.testing import phantom
from safegen_detectors.longitudinal import LongitudinalDetector
from safegen_detectors.longitudinal.inputs.displacement_field import read_displacement_field
from safegen_detectors.longitudinal.series import compare_series


def saved(path: Path, displacement: np.ndarray, affine: np.ndarray) -> Path:
    """A field as ITK writes it: vectors in LPS, five axes. `displacement` (3, i, j, k) is RAS."""
    lps = np.moveaxis(displacement, 0, -1) * [-1.0, -1.0, 1.0]
    image = nib.Nifti1Image(lps[:, :, :, None, :].astype(np.float32), affine)
    image.header.set_intent("vector")
    nib.save(image, path)
    return path


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1)])
def test_a_field_is_read_in_the_axes_of_the_world(tmp_path, signs):
    affine = np.diag([*(2.0 * np.array(signs)), 1.0])
    world = np.stack(
        [2.0 * sign * axis for sign, axis in zip(signs, np.indices((8, 9, 10)), strict=True)]
    )
    half = np.stack([-0.5 * world[0], 0 * world[1], 0 * world[2]])

    change = read_displacement_field(saved(tmp_path / "f.nii.gz", half, affine), "f").jacobian()

    assert change == pytest.approx(np.full((8, 9, 10), 0.5), abs=1e-4)


@pytest.mark.parametrize(
    "values", [np.zeros((4, 4, 4), np.float32), np.full((4, 4, 4, 1, 3), np.nan, np.float32)]
)
def test_a_file_that_is_no_field_is_refused_by_name(tmp_path, values):
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "f.nii.gz")

    with pytest.raises(ReadError, match=r"odd\.nii\.gz"):
        read_displacement_field(tmp_path / "f.nii.gz", "odd.nii.gz")


def test_a_field_with_a_singular_affine_is_refused(tmp_path):
    image = nib.Nifti1Image(np.zeros((4, 4, 4, 1, 3), np.float32), np.eye(4))
    image.header["sform_code"] = 1
    image.header["srow_x"] = image.header["srow_y"]
    nib.save(nib.Nifti1Image(image.dataobj, None, image.header), tmp_path / "f.nii.gz")

    with pytest.raises(ReadError, match="singular affine"):
        read_displacement_field(tmp_path / "f.nii.gz", "f.nii.gz")


def score_of(root: Path, column: str):
    """The score of two scans of one phantom, the second with a field."""
    scans = []
    for session in (1, 2):
        scan = phantom(1, session=session)
        labels = {"deformation_field": column} if session == 2 else {}
        ref = replace(scan.ref, path=root / scan.ref.target, labels=labels)
        scans.append(replace(scan, ref=ref))
    series = Series("sub-01", "sub-01", tuple(scan.ref for scan in scans))
    target = SeriesTarget(series, tuple(ScanTarget(scan.ref, scan) for scan in scans))
    return LongitudinalDetector().open(None, device="cpu").score([target])[0]


def measures(root: Path, column: str):
    return {measure.name: measure for measure in score_of(root, column).measures}


def wave(scan, *, height: float) -> np.ndarray:
    """Displacements along the first axis; more than 8 mm fold."""
    along = np.indices(scan.voxels.shape)[0] * 4.0
    field = np.zeros((3, *scan.voxels.shape))
    field[0] = height * np.sin(along / 8.0)
    return field


def test_a_field_that_folds_says_where_and_a_gentle_one_passes(tmp_path):
    scan = phantom(1)
    saved(tmp_path / "folds.nii.gz", wave(scan, height=16.0), scan.affine)
    saved(tmp_path / "gentle.nii.gz", wave(scan, height=2.0), scan.affine)

    folding, gentle = (measures(tmp_path, f"{name}.nii.gz") for name in ("folds", "gentle"))

    assert folding["field_folds"].value > 0.05
    assert "mm" in folding["field_folds"].message
    assert gentle["field_folds"].value == 0


def test_a_field_that_grows_the_lesion_is_not_called_stretched(tmp_path):
    scan = phantom(1)
    places = np.moveaxis(np.indices(scan.voxels.shape), 0, -1) @ scan.affine[:3, :3]
    steps = np.moveaxis(places - places.mean(axis=(0, 1, 2)), -1, 0)
    away = np.linalg.norm(steps, axis=0)
    back = -0.6 * np.exp(-np.maximum(away - 16, 0) / 16) * steps
    saved(tmp_path / "grows.nii.gz", back, scan.affine)
    later = replace(phantom(1, session=2), mask=away < 18)
    labels = {"deformation_field": "grows.nii.gz"}
    ref = replace(later.ref, path=tmp_path / later.ref.target, labels=labels)

    others = compare_series([replace(scan, mask=away < 8), replace(later, ref=ref)]).others
    values = {measure.name: measure.value for measure in others}

    assert values["field_folds"] == 0
    assert values["field_stretch"] == 0


def test_the_picture_of_a_field_that_folds_shows_where(tmp_path):
    scan = phantom(1)
    saved(tmp_path / "folds.nii.gz", wave(scan, height=16.0), scan.affine)

    picture = score_of(tmp_path, "folds.nii.gz").heatmap

    assert picture.values.shape == scan.voxels.shape
    assert 0.1 < (picture.values[scan.voxels > 0] >= 1).mean() < 0.6


@pytest.mark.parametrize("column", ["gone.nii.gz", "../f.nii.gz", "/f.nii.gz"])
def test_a_field_that_cannot_be_used_is_counted_and_named(tmp_path, column):
    found = measures(tmp_path, column)

    assert found["fields_unread"].value == 1
    assert Path(column).name in found["fields_unread"].message
