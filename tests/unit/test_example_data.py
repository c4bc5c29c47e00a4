"""The scans of the example project, and how it compares them with the gate's words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import run_demo
from demo_data import artefacts, copies
from demo_data.brain import Image
from demo_data.fields import smooth_field
from demo_data.files import Planted, erase_spacing, save_sessions, save_table
from demo_data.lesions import Lesion, paint
from demo_data.patients import Cohort, Patient, scan_of, series_of
from demo_data.plan import FAULTS, jobs
from make_data import main as make_data

from pytest_safegen.data.discover import discover

pytestmark = pytest.mark.slow

PATIENT = Patient(1, Cohort.RELEASE, 0)
COPY = run_demo.Planted("sub-1/anat/sub-1_T1w.nii.gz", "memorization", "copy")


@pytest.fixture(scope="module")
def image() -> Image:
    return scan_of(PATIENT)


def finding(**changes: Any) -> dict[str, Any]:
    values = {"check": COPY.check, "target": COPY.target, "verdict": "FAIL", "reason": "Copied."}
    return values | changes


def test_a_patient_looks_the_same_each_time(image: Image) -> None:
    assert np.array_equal(scan_of(PATIENT).voxels, image.voxels)


def test_a_number_means_another_patient_in_each_cohort(image: Image) -> None:
    other = scan_of(replace(PATIENT, cohort=Cohort.REFERENCE))
    both = image.mask & other.mask
    assert np.corrcoef(image.voxels[both], other.voxels[both])[0, 1] < 0.8


def test_a_brain_has_the_volume_of_a_human_one(image: Image) -> None:
    litres = image.mask.sum() * 8e-6
    assert 0.9 < litres < 2.2


def test_there_is_nothing_outside_the_brain(image: Image) -> None:
    assert not image.voxels[~image.mask].any()


def test_a_smooth_field_has_the_amplitude_asked_for() -> None:
    rng = np.random.default_rng(0)
    field = smooth_field((96, 96, 96), scales=((6.0, 3.0), (4.0, 4.0)), spacing=2.0, rng=rng)
    assert field.std() == pytest.approx(5.0, rel=0.05)


def test_a_lesion_doubles_its_volume_in_its_doubling_time() -> None:
    places = np.indices((80, 80, 80), dtype=np.float32) - 40
    first = Lesion((0.0, 0.0, 0.0), 10.0, 0.5)
    volumes = [
        np.count_nonzero(paint(np.ones((80, 80, 80), np.float32), places, lesion=lesion)[1])
        for lesion in (first, first.grown(days=90.0, doubling_days=90.0))
    ]
    assert volumes[1] / volumes[0] == pytest.approx(2.0, rel=0.01)


def test_a_series_carries_a_lesion_that_grows() -> None:
    first, second = series_of(PATIENT, months=(0.0, 6.0), doubling_days=180.0)
    assert np.count_nonzero(second.lesion) > 1.5 * np.count_nonzero(first.lesion)


@pytest.mark.parametrize(
    "damage",
    [
        artefacts.noise_ball,
        artefacts.dropped_tissue,
        artefacts.checkerboard,
        artefacts.motion_ghost,
        artefacts.over_smooth,
        artefacts.repeated_piece,
        artefacts.hot_spot,
    ],
)
def test_an_artefact_changes_the_brain_and_nothing_else(image: Image, damage: Any) -> None:
    changed = damage(image, np.random.default_rng(0)).voxels != image.voxels
    assert changed.any()
    assert not changed[~image.mask].any()


def test_a_mirrored_copy_mirrored_again_is_the_patient(image: Image) -> None:
    rng = np.random.default_rng(0)
    twice = copies.mirrored(copies.mirrored(image, rng), rng)
    assert np.array_equal(twice.voxels, image.voxels)


def test_half_a_copy_holds_one_side_unchanged(image: Image) -> None:
    half = copies.half(image, scan_of(replace(PATIENT, number=1)))
    side = slice(image.voxels.shape[0] // 2 + 6, None)
    assert np.array_equal(half.voxels[side], image.voxels[side])


def test_erased_spacing_is_zero_in_the_header(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4)), path)
    erase_spacing(path)
    content = np.frombuffer(nib.openers.Opener(str(path)).read(348), dtype=np.uint8)
    assert not content[80:92].any()


def test_the_gate_reads_the_months_of_a_made_series(tmp_path: Path) -> None:
    for name in ("ses-01", "ses-02"):
        scan = tmp_path / "sub-1" / name / "anat" / f"sub-1_{name}_T1w.nii.gz"
        scan.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4)), scan)
    save_sessions(tmp_path / "sub-1", {"ses-01": 0.0, "ses-02": 3.5})
    assert [ref.months for ref in discover(tmp_path).refs] == [0.0, 3.5]


def test_every_patient_has_a_folder_of_its_own() -> None:
    folders = [(job.folder, job.subject) for job in jobs(1)]
    assert len(set(folders)) == len(folders)


def test_a_fault_is_planted_for_every_check() -> None:
    planted = {check for check, _, _ in FAULTS}
    assert planted == {"integrity", "anomaly", "memorization", "longitudinal", "metadata"}


def test_a_copy_is_of_a_patient_that_the_reference_holds() -> None:
    plan = jobs(1)
    held = {job.patient.number for job in plan if job.patient.cohort is Cohort.REFERENCE}
    copied = {job.patient.number for job in plan if job.check == "memorization"}
    assert copied <= held


def test_data_that_are_there_are_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_data(["--output", str(tmp_path)]) == 2
    assert "remove it" in capsys.readouterr().err


def test_a_planted_fault_that_fails_is_caught() -> None:
    assert run_demo.detection_of(COPY, [finding()]).caught


def test_a_detection_has_the_headline_of_its_finding() -> None:
    found = finding() | {"headline": "Copy of training patient sub-R007"}
    assert run_demo.detection_of(COPY, [found]).headline == "Copy of training patient sub-R007"


def test_a_planted_fault_that_passes_is_missed() -> None:
    assert not run_demo.detection_of(COPY, [finding(verdict="PASS")]).caught


def test_a_planted_fault_without_a_finding_is_missed() -> None:
    assert not run_demo.detection_of(COPY, [finding(check="anomaly")]).caught


def test_a_crashed_check_catches_nothing() -> None:
    assert not run_demo.detection_of(COPY, [finding(verdict="ERROR")]).caught


def test_a_file_that_cannot_be_read_is_caught_by_an_error() -> None:
    broken = replace(COPY, check="integrity")
    assert run_demo.detection_of(broken, [finding(check="integrity", verdict="ERROR")]).caught


def test_a_finding_on_the_release_concerns_the_scans_it_names() -> None:
    odd = replace(COPY, check="metadata")
    named = finding(check="metadata", target="", reason=f"Another spacing in {odd.target}.")
    assert run_demo.detection_of(odd, [named]).caught


def test_a_scan_whose_series_fails_does_not_pass() -> None:
    scan = finding(check="anomaly", target="sub-2/ses-01/anat/x.nii.gz", verdict="PASS")
    series = finding(check="longitudinal", target="sub-2")
    clean = run_demo.problems_of_clean([scan["target"]], [scan, series], planted=())
    assert run_demo.pass_rate(clean) == 0.0


def test_a_scan_that_the_gate_lost_does_not_pass() -> None:
    assert run_demo.pass_rate(run_demo.problems_of_clean(["a.nii.gz"], [], planted=())) == 0.0


def test_a_scan_with_a_planted_fault_is_no_clean_scan() -> None:
    assert run_demo.problems_of_clean([COPY.target], [finding()], planted=[COPY]) == {}


def test_a_table_of_planted_faults_is_read_as_it_was_written(tmp_path: Path) -> None:
    save_table(tmp_path / "planted.tsv", [Planted("sub-1", "anomaly", "noise")])
    (row,) = run_demo.read_table(tmp_path / "planted.tsv")
    assert run_demo.Planted(**row) == run_demo.Planted("sub-1", "anomaly", "noise")
