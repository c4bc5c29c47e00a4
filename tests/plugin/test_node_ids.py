"""What scans, series and release verdicts are called."""

from __future__ import annotations

import pytest
from gate_project import Project, collected


def test_a_scan_is_called_by_its_path_and_the_check(project: Project) -> None:
    project.scan("data/sub-01/anat/sub-01_T1w.nii.gz")
    result = project.gate("--collect-only", "-q")
    assert collected(result) == ["data/sub-01/anat/sub-01_T1w.nii.gz::brightness"]


def test_a_series_is_called_by_its_folder_and_the_check(project: Project) -> None:
    for session in ("01", "02"):
        project.scan(f"data/sub-01/ses-{session}/anat/sub-01_ses-{session}_T1w.nii.gz")
    result = project.gate("--collect-only", "-q", checks="growth")
    assert collected(result) == ["data/sub-01::growth"]


def test_a_series_without_a_folder_is_called_by_its_subject(project: Project) -> None:
    project.scans("data/sub-01_ses-01_T1w.nii.gz", "data/sub-01_ses-02_T1w.nii.gz")
    result = project.gate("--collect-only", "-q", checks="growth")
    assert collected(result) == ["data/sub-01::growth"]


def test_a_brats_series_is_called_by_its_subject(project: Project) -> None:
    for session in ("000", "001"):
        name = f"BraTS-GLI-00001-{session}"
        project.scan(f"data/{name}/{name}-t1c.nii.gz")
    result = project.gate("--collect-only", "-q", checks="growth")
    assert collected(result) == ["data/BraTS-GLI-00001::growth"]


def test_verdicts_on_the_release_are_called_by_the_gate(project: Project) -> None:
    project.scan("data/a.nii.gz")
    result = project.gate("-rA")
    result.stdout.fnmatch_lines(
        ["PASSED safegen-gate::population", "PASSED safegen-gate::accounting"]
    )


def test_data_outside_the_project_is_named_from_there(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    scan = project.scan("a.nii.gz")
    scan.rename(elsewhere / "a.nii.gz")
    result = project.gate("--collect-only", "-q", data=str(elsewhere))
    (nodeid,) = collected(result)
    assert nodeid.endswith(f"{elsewhere.name}/a.nii.gz::brightness")
