"""How tissue moves: fields with a known truth, and fields that a generator gives."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from pytest_safegen.core.errors import ReadError
from pytest_safegen.core.scan import Series
from pytest_safegen.core.targets import ScanTarget, SeriesTarget
from pytest_safegen.testing import phantom
from safegen_detectors.longitudinal import LongitudinalDetector
from safegen_detectors.longitudinal.inputs.displacement_field import read_displacement_field
from safegen_detectors.longitudinal.maths.deformation import (
    estimate_displacement,
    flux,
    jacobian_determinant,
)
from safegen_detectors.longitudinal.series import ComparisonOptions, compare_series

SPACING = 2.0
SHAPE = (48, 48, 48)
PLACES = (np.indices(SHAPE) - 23.5) * SPACING
RADIUS = np.linalg.norm(PLACES, axis=0)


def texture(seed: int = 0) -> np.ndarray:
    folds = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 2.0)
    return np.where(RADIUS < 42, 1 + 0.3 * folds / folds.std(), 0).astype(np.float32)


def test_a_bump_is_found_again_and_an_unmoved_image_stays():
    bump = np.zeros((3, *SHAPE))
    bump[0] = 4.0 * np.exp(-(RADIUS**2) / (2 * 12**2))
    fixed = texture()
    # moving(x + u(x)) = fixed(x), to first order
    moving = ndimage.map_coordinates(fixed, np.indices(SHAPE) - bump / SPACING, order=1)
    where = RADIUS < 40

    found = estimate_displacement(fixed, moving.astype(np.float32), where=where, spacing=SPACING)
    still = estimate_displacement(fixed, fixed, where=where, spacing=SPACING)

    middle = RADIUS < 8
    assert found[0][middle].mean() == pytest.approx(bump[0][middle].mean(), abs=1.0)
    assert np.abs(found[1:][:, middle]).mean() < 0.5
    assert np.abs(still).max() < 0.05


def test_an_even_stretch_changes_volume_by_its_cube():
    change = jacobian_determinant((0.1 * PLACES).astype(np.float32), spacing=SPACING)

    assert change == pytest.approx(np.full(SHAPE, 1.1**3), rel=1e-4)


def test_tissue_that_gives_way_moves_the_volume_that_a_lesion_gains():
    gained = 4.0  # ml
    field = gained * 1000 / (4 * np.pi * RADIUS**2) * PLACES / RADIUS
    lesion = RADIUS < 14

    found = flux(field.astype(np.float32), lesion, where=RADIUS > 0, spacing=SPACING)

    assert found.volume == pytest.approx(gained, rel=0.15)
    assert found.area == pytest.approx(4 * np.pi * 22.5**2, rel=0.15)


def test_a_lesion_at_the_edge_of_what_is_seen_is_not_measured():
    lesion = RADIUS < 14

    assert flux(np.zeros((3, *SHAPE), np.float32), lesion, where=RADIUS < 15, spacing=2.0) is None


def course(masks, **labels):
    """Measures of two scans of one phantom with these masks, deformation always estimated."""
    scans = []
    for session, mask in enumerate(masks, 1):
        scan = phantom(1, session=session)
        scans.append(replace(scan, mask=mask, ref=replace(scan.ref, labels=labels)))
    (pair,) = compare_series(scans, how=ComparisonOptions("always")).pairs
    return {measure.name: measure.value for measure in pair.measures}


def blob(radius: float) -> np.ndarray:
    shape = phantom(1).voxels.shape
    middle = (np.array(shape) - 1) / 2
    return radius > np.linalg.norm(np.indices(shape).T - middle, axis=-1).T


def test_a_lesion_that_stays_asks_nothing_of_the_tissue():
    values = course([blob(4), blob(4)])

    assert "mass_effect" not in values
    assert values["tissue_shift"] < 1.7


@pytest.mark.parametrize(
    ("masks", "labels"),
    [
        ([None, blob(5)], {}),
        ([blob(3), blob(5)], {"treated": "yes"}),
        ([blob(3), blob(5) | np.roll(blob(3), 12, 0)], {}),
    ],
    ids=["one mask", "treated", "two lesions"],
)
def test_tissue_is_asked_of_a_single_untreated_lesion_only(masks, labels):
    assert "mass_effect" not in course(masks, **labels)


def test_a_lesion_painted_over_unmoved_tissue_moves_nothing():
    assert abs(course([blob(3), blob(5)])["mass_effect"]) < 0.5


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
def test_what_is_no_field_is_refused_by_name(tmp_path, values):
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "f.nii.gz")

    with pytest.raises(ReadError, match=r"odd\.nii\.gz"):
        read_displacement_field(tmp_path / "f.nii.gz", "odd.nii.gz")


def test_a_field_with_a_singular_affine_is_refused(tmp_path):
    image = nib.Nifti1Image(np.zeros((4, 4, 4, 1, 3), np.float32), np.eye(4))
    image.header["sform_code"] = 1
    image.header["srow_x"] = image.header["srow_y"]
    nib.save(nib.Nifti1Image(image.dataobj, None, image.header), tmp_path / "f.nii.gz")

    with pytest.raises(ReadError, match="without volume"):
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


def test_a_lesion_that_grows_by_its_field_is_not_stretched_beyond_belief(tmp_path):
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
