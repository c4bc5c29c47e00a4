"""Discovery on real scans, which are not part of the repository."""

from hashlib import sha256
from pathlib import Path

import pytest

from pytest_safegen.core.scan import Release
from pytest_safegen.data.discover import discover
from pytest_safegen.readers import read_scan

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL.is_dir(), reason="the real scans are not on this machine"),
]


def counts(release: Release) -> tuple[int, int, int]:
    masks = sum(ref.mask is not None for ref in release.refs)
    return len(release.series), len(release.refs), masks


def test_ixi_has_a_scan_a_subject_and_no_label_map_among_them() -> None:
    assert counts(discover(REAL / "ixi-t1")) == (124, 124, 0)


def test_each_nodule_has_its_mask() -> None:
    assert counts(discover(REAL / "lidc-nodules")) == (300, 300, 300)


def test_a_nodules_mask_lies_on_its_scan() -> None:
    scan = read_scan(discover(REAL / "lidc-nodules").refs[0])
    assert scan.mask is not None
    assert (scan.mask.shape, scan.mask_problem) == (scan.voxels.shape, "")


def test_masks_in_a_common_space_are_left_out() -> None:
    assert counts(discover(REAL / "ms-longitudinal")) == (2, 12, 0)


def test_follow_ups_are_one_series_with_two_timepoints() -> None:
    series = discover(REAL / "ms-longitudinal").series
    assert [(one.target, one.timepoints) for one in series] == [("sub-01", 2), ("sub-12", 2)]


def test_each_dicom_folder_is_a_scan() -> None:
    assert counts(discover(REAL / "chest-ct-dicom")) == (2, 2, 0)


def test_real_dicom_is_read_in_hounsfield_units() -> None:
    scan = read_scan(discover(REAL / "chest-ct-dicom").refs[0])
    assert (scan.voxels.shape, float(scan.voxels.min())) == ((512, 512, 30), -1024.0)


@pytest.mark.parametrize(
    ("target", "voxels"),
    [
        ("2.000000-ThoraxRoutine__8.0.0__B70f-62919", "1dcc6f38e952548b"),
        ("3.000000-ThoraxRoutine__8.0.0__B40f-10983", "1b868f38bde90cf3"),
    ],
)
def test_real_dicom_is_read_to_the_same_bits_as_ever(target: str, voxels: str) -> None:
    refs = {ref.target: ref for ref in discover(REAL / "chest-ct-dicom").refs}
    scan = read_scan(refs[target])
    digests = [sha256(part.tobytes()).hexdigest()[:16] for part in (scan.voxels, scan.affine)]
    assert (digests, scan.stored_type) == ([voxels, "560ac52e45473b7f"], "uint16")
