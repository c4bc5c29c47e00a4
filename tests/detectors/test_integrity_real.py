"""Real scans pass, and faults planted in them fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from integrity_scans import measure_of, profile_of, verdict_of, with_voxels

from pytest_safegen import (
    Profile,
    Scan,
    ScanRef,
    Verdict,
)

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def read(path: Path, modality: str) -> Scan:
    image = nibabel.load(path)
    ref = ScanRef(path.name, path.name.split("_")[0], None, modality, path)
    voxels = np.asarray(image.dataobj, dtype=np.float32)
    return Scan(ref, voxels, image.affine, stored_type=str(image.get_data_dtype()))


COHORTS = {
    "ixi-t1": ("sub-*/anat/*_T1w.nii.gz", "T1w"),
    "lidc-nodules": ("sub-*/*_ct.nii.gz", "ct"),
}


@pytest.fixture(scope="module", params=COHORTS)
def real_cohort(request: pytest.FixtureRequest) -> tuple[Profile, list[Scan]]:
    pattern, modality = COHORTS[request.param]
    paths = sorted((REAL / request.param).glob(pattern))
    if not paths:
        pytest.skip(f"the real scans of {request.param} are not part of the repository")
    order = np.random.default_rng(1).permutation(len(paths))
    scans = [read(paths[place], modality) for place in order[:124]]
    return profile_of(scans[:80]), scans[80:]


@pytest.mark.real
def test_no_unseen_real_scan_fails(real_cohort: tuple[Profile, list[Scan]]) -> None:
    profile, unseen = real_cohort
    failed = [scan.ref.target for scan in unseen if verdict_of(scan, profile) is Verdict.FAIL]
    assert failed == []


def real_fault(scan: Scan, kind: str) -> Scan:
    voxels, middle = scan.voxels.copy(), np.array(scan.voxels.shape) // 2
    match kind:
        case "voxel_size":
            return replace(scan, affine=scan.affine @ np.diag([1.5, 1.5, 1.5, 1]))
        case "cropped":
            return with_voxels(scan, voxels[: middle[0]])
        case "nan_block":
            voxels[tuple(slice(m, m + 4) for m in middle)] = np.nan
        case "dropped_slice":
            voxels[:, :, middle[2]] = voxels.min()
        case "clipped":
            voxels = np.minimum(voxels, np.percentile(voxels[voxels > voxels.min()], 85))
        case "mask":
            voxels = voxels > np.percentile(voxels, 80)
    return with_voxels(scan, voxels)


@pytest.mark.real
@pytest.mark.parametrize(
    "kind", ["voxel_size", "cropped", "nan_block", "dropped_slice", "clipped", "mask"]
)
def test_a_fault_planted_in_a_real_scan_fails(
    real_cohort: tuple[Profile, list[Scan]], kind: str
) -> None:
    profile, unseen = real_cohort
    verdicts = {verdict_of(real_fault(scan, kind), profile) for scan in unseen[:10]}
    assert verdicts == {Verdict.FAIL}


@pytest.mark.real
def test_a_real_label_map_is_not_taken_for_a_scan() -> None:
    paths = sorted((REAL / "ixi-t1" / "derivatives").rglob("*.nii.gz"))
    if not paths:
        pytest.skip("the real label maps of ixi-t1 are not part of the repository")
    assert measure_of(read(paths[0], "T1w"), "flat_share") > 0.7
