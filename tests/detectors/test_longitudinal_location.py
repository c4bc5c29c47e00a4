"""Where a lesion may lie: a made-up chest with lungs, and organs that a user outlines."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from pytest_safegen.core.scan import Scan, ScanRef
from safegen_detectors.longitudinal.inputs.timepoints import prepare_timepoints
from safegen_detectors.longitudinal.measures.location import locate_mask

SHAPE = (90, 70, 60)
SPACING = 3.0
X, Y, Z = ((axis - (n - 1) / 2) * SPACING for axis, n in zip(np.indices(SHAPE), SHAPE, strict=True))
WALL = 78.0  # mm: where the right lung ends and the chest wall begins


def chest(*, centre, radius: float = 6.0, lungs: bool = True, **labels: str) -> Scan:
    """A body with two lungs (HU) and a nodule of soft tissue, outlined."""
    body = (X / 115) ** 2 + (Y / 80) ** 2 < 1
    values = np.where(body, 40.0, -1000.0)
    for side in (-1, 1):
        lung = ((X - side * 45) / 33) ** 2 + (Y / 55) ** 2 + (Z / 75) ** 2 < 1
        values[lung & lungs] = -850.0
    nodule = sum((axis - at) ** 2 for axis, at in zip((X, Y, Z), centre, strict=True)) < radius**2
    values[nodule] = 30.0
    affine = np.diag([SPACING] * 3 + [1.0])
    affine[:3, 3] = [-(n - 1) / 2 * SPACING for n in SHAPE]
    told = {"pathology": "lung nodule", **labels}
    ref = ScanRef("p/ct.nii.gz", "p", "1", "CT", Path("/data/p/ct.nii.gz"), labels=told)
    return Scan(ref, values.astype(np.float32), affine, nodule)


def found(scan: Scan) -> dict[str, float]:
    (point,) = prepare_timepoints([scan])
    return {measure.name: measure.value for measure in locate_mask(point).measures}


@pytest.mark.parametrize("at", [45.0, WALL - 7], ids=["in the lung", "at the pleura"])
def test_a_nodule_in_the_lung_or_at_the_pleura_is_inside(at):
    assert found(chest(centre=(at, 0, 0)))["lung_inside"] > 0.97


def test_a_nodule_in_the_chest_wall_is_outside_of_the_lung_and_inside_of_the_body():
    values = found(chest(centre=(WALL + 14, 0, 0)))

    assert values["lung_inside"] < 0.5
    assert values["lung_depth_outside"] > 7
    assert values["mask_inside"] == 1


def test_a_large_mass_at_the_pleura_is_inside():
    assert found(chest(centre=(WALL - 20, 0, 0), radius=20.0))["lung_inside"] > 0.95


def test_without_air_the_lung_is_not_judged():
    assert "lung_inside" not in found(chest(centre=(45, 0, 0), lungs=False))


@pytest.mark.parametrize("pathology", ["liver metastasis", "liver nodule", "thyroid nodule"])
def test_another_pathology_is_not_looked_for_in_the_lung(pathology):
    assert "lung_inside" not in found(chest(centre=(45, 0, 0), pathology=pathology))


@pytest.fixture
def outlined(tmp_path):
    """A scan whose organ is a ball of 30 mm around (45, 0, 0), on a grid of its own."""
    shape, spacing = (50, 60, 40), 4.0
    affine = np.diag([spacing] * 3 + [1.0])
    affine[:3, 3] = [-60.0, -118.0, -78.0]
    places = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3] + affine[:3, 3]
    organ = np.linalg.norm(places - [45.0, 0, 0], axis=-1) < 30
    nib.save(nib.Nifti1Image(organ.astype(np.uint8), affine), tmp_path / "Organ.nii.gz")

    def made(centre, *, name: str = "Organ.nii.gz") -> Scan:
        scan = chest(centre=centre, organ_mask=name, pathology="liver lesion")
        return replace(scan, ref=replace(scan.ref, path=tmp_path / "p" / "ct.nii.gz"))

    return made


def test_a_lesion_in_the_users_organ_is_inside(outlined):
    assert found(outlined((45, 10, 0)))["organ_inside"] == 1


def test_a_lesion_outside_the_users_organ_has_its_depth(outlined):
    values = found(outlined((45, 40, 0)))

    assert values["organ_inside"] < 0.2
    assert values["organ_depth_outside"] == pytest.approx(16, abs=4)


def test_an_organ_that_does_not_overlap_the_scan_is_not_judged(outlined, tmp_path):
    image = nib.load(tmp_path / "Organ.nii.gz")
    moved = np.asarray(image.affine).copy()
    moved[:3, 3] += 1000
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), moved), tmp_path / "away.nii.gz")

    (point,) = prepare_timepoints([outlined((45, 10, 0), name="away.nii.gz")])

    assert "does not overlap the scan" in locate_mask(point).problem


@pytest.mark.parametrize("name", ["gone.nii.gz", "../Organ.nii.gz"])
def test_an_organ_that_cannot_be_used_is_named_and_the_body_still_judged(outlined, name):
    (point,) = prepare_timepoints([outlined((45, 10, 0), name=name)])
    where = locate_mask(point)

    assert Path(name).name in where.problem
    assert {measure.name for measure in where.measures} >= {"mask_inside"}


def lung_crop() -> Scan:
    """A CT cube of lung (HU) with the chest wall on one side and a nodule, outlined."""
    texture = ndimage.gaussian_filter(np.random.default_rng(5).standard_normal((50, 50, 50)), 2)
    voxels = -820 + 90 * texture / texture.std()
    voxels[40:] = 40 + 200 * texture[40:]
    nodule = np.linalg.norm((np.indices((50, 50, 50)).T - (20, 25, 25)).T, axis=0) <= 5
    ref = ScanRef("p/ct.nii.gz", "p", "1", "CT", Path("/data/p/ct.nii.gz"))
    values = np.where(nodule, 30.0, voxels).astype(np.float32)
    return Scan(ref, values, np.eye(4), nodule)


def test_a_nodule_in_a_crop_of_lung_is_not_judged_against_the_body():
    assert "mask_inside" not in found(lung_crop())
