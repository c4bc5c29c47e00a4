"""Choosing a part of the checks by node id, path, keyword, marker and --deselect."""

from __future__ import annotations

import pytest
from gate_project import BAD, Project, collected

pytestmark = pytest.mark.slow

SCAN = "data/sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz"


@pytest.fixture
def cohort(project: Project) -> Project:
    """Two patients with two timepoints each."""
    for subject in ("01", "02"):
        for session in ("01", "02"):
            name = f"sub-{subject}_ses-{session}_T1w.nii.gz"
            project.scan(f"data/sub-{subject}/ses-{session}/anat/{name}")
    return project


def test_a_node_id_selects_one_check_of_one_scan(cohort: Project) -> None:
    result = cohort.gate("--collect-only", "-q", f"{SCAN}::brightness")
    assert collected(result) == [f"{SCAN}::brightness"]


def test_a_series_node_id_selects_the_series_check(cohort: Project) -> None:
    result = cohort.gate("--collect-only", "-q", "data/sub-02::growth")
    assert collected(result) == ["data/sub-02::growth"]


def test_two_node_ids_select_both(cohort: Project) -> None:
    result = cohort.gate("--collect-only", "-q", f"{SCAN}::brightness", "data/sub-02::growth")
    assert sorted(collected(result)) == sorted([f"{SCAN}::brightness", "data/sub-02::growth"])


def test_a_scan_path_selects_all_checks_of_the_scan(cohort: Project) -> None:
    result = cohort.gate("--collect-only", "-q", SCAN)
    assert collected(result) == [f"{SCAN}::brightness"]


def test_a_folder_selects_what_lies_in_it(cohort: Project) -> None:
    result = cohort.gate("--collect-only", "-q", "data/sub-01")
    names = collected(result)
    assert len(names) == 3
    assert all(name.startswith("data/sub-01") for name in names)


def test_a_folder_with_a_slash_at_its_end_is_the_same_folder(cohort: Project) -> None:
    plain = collected(cohort.gate("--collect-only", "-q", "data/sub-01"))
    assert collected(cohort.gate("--collect-only", "-q", "data/sub-01/")) == plain


def test_the_data_folder_itself_selects_everything(cohort: Project) -> None:
    assert len(collected(cohort.gate("--collect-only", "-q", "data"))) == 6


def test_a_virtual_series_is_selected_by_its_node_id(project: Project) -> None:
    project.scans("data/sub-01_ses-01_T1w.nii.gz", "data/sub-01_ses-02_T1w.nii.gz")
    result = project.gate("--collect-only", "-q", "data/sub-01::growth")
    assert collected(result) == ["data/sub-01::growth"]


def test_a_node_id_that_names_nothing_is_wrong_use(cohort: Project) -> None:
    result = cohort.gate("data/sub-01/nothing.nii.gz::brightness")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_check_that_does_not_exist_is_wrong_use_in_a_node_id(cohort: Project) -> None:
    result = cohort.gate(f"{SCAN}::brightnes")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_the_project_is_not_judged_where_one_scan_is_asked_for(cohort: Project) -> None:
    cohort.write("test_own.py", "def test_own(): pass")
    result = cohort.gate("--collect-only", "-q", f"{SCAN}::brightness")
    assert collected(result) == [f"{SCAN}::brightness"]


def test_an_own_test_is_found_beside_a_scan_that_is_asked_for(cohort: Project) -> None:
    cohort.write("test_own.py", "def test_own(): pass")
    result = cohort.gate("--collect-only", "-q", "test_own.py", f"{SCAN}::brightness")
    assert sorted(collected(result)) == [f"{SCAN}::brightness", "test_own.py::test_own"]


def test_keywords_select_by_patient(cohort: Project) -> None:
    result = cohort.gate("--collect-only", "-q", "-k", "sub-02")
    names = collected(result)
    assert len(names) == 3
    assert all("sub-02" in name for name in names)


def test_keywords_select_by_check(cohort: Project) -> None:
    result = cohort.gate("--collect-only", "-q", "-k", "growth")
    assert sorted(collected(result)) == ["data/sub-01::growth", "data/sub-02::growth"]


def test_the_marker_selects_the_gate_and_leaves_own_tests(cohort: Project) -> None:
    cohort.write("test_own.py", "def test_own(): pass")
    result = cohort.gate("--collect-only", "-q", "-m", "safegen")
    assert len(collected(result)) == 6


def test_the_marker_can_leave_the_gate_out(cohort: Project) -> None:
    cohort.write("test_own.py", "def test_own(): pass")
    result = cohort.gate("--collect-only", "-q", "-m", "not safegen")
    assert collected(result) == ["test_own.py::test_own"]


def test_deselect_leaves_one_scan_out(cohort: Project) -> None:
    result = cohort.gate("--collect-only", "-q", "--deselect", f"{SCAN}::brightness")
    assert f"{SCAN}::brightness" not in collected(result)


def test_a_part_that_passes_is_green(cohort: Project) -> None:
    assert cohort.gate("-k", "sub-02").ret == pytest.ExitCode.OK


def test_a_part_says_nothing_of_the_release(cohort: Project) -> None:
    cohort.gate("-k", "sub-02")
    assert cohort.gate_json()["verdict"] == "INCONCLUSIVE"


def test_a_part_that_fails_is_red(cohort: Project) -> None:
    cohort.scan(SCAN, BAD)
    assert cohort.gate(f"{SCAN}::brightness").ret == pytest.ExitCode.TESTS_FAILED


def test_ignore_cannot_lose_a_scan_in_silence(cohort: Project) -> None:
    result = cohort.gate("--ignore=data/sub-01")
    assert len([key for key in cohort.verdicts() if key[0] == "brightness"]) == 4
    assert result.ret == pytest.ExitCode.OK


def test_a_release_verdict_is_selected_by_its_node_id(cohort: Project) -> None:
    result = cohort.gate("safegen-gate::population")
    assert set(cohort.verdicts()) == {("population", "")}
    assert result.ret == pytest.ExitCode.OK


def test_a_failing_release_verdict_alone_is_red(cohort: Project) -> None:
    result = cohort.gate("safegen-gate::population", "--safegen-threshold=population=1")
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_the_accounting_by_its_node_id_takes_the_whole_release(cohort: Project) -> None:
    cohort.gate("safegen-gate::accounting")
    assert len(cohort.verdicts()) == 8


def test_a_release_verdict_that_does_not_exist_is_wrong_use(cohort: Project) -> None:
    assert cohort.gate("safegen-gate::populatoin").ret == pytest.ExitCode.USAGE_ERROR


def test_two_workers_judge_a_release_verdict_by_its_node_id(cohort: Project) -> None:
    cohort.gate("safegen-gate::population", "-n2")
    assert set(cohort.verdicts()) == {("population", "")}


def test_a_keyword_selects_a_release_verdict(cohort: Project) -> None:
    cohort.gate("-k", "population")
    assert set(cohort.verdicts()) == {("population", "")}


def test_a_release_verdict_can_be_deselected(cohort: Project) -> None:
    cohort.gate("--deselect", "safegen-gate::population")
    assert ("population", "") not in cohort.verdicts()
    assert cohort.gate_json()["verdict"] == "INCONCLUSIVE"


def test_the_marker_gives_the_full_verdict(cohort: Project) -> None:
    cohort.write("test_own.py", "def test_own(): pass")
    cohort.gate("-m", "safegen")
    assert cohort.gate_json()["verdict"] == "PASS"


def test_only_the_release_can_be_judged(cohort: Project) -> None:
    result = cohort.gate(checks="population")
    assert result.ret == pytest.ExitCode.OK
    assert cohort.gate_json()["verdict"] == "PASS"


def test_a_scan_with_brackets_in_its_name_is_selected(project: Project) -> None:
    project.scans("data/a[1].nii.gz", "data/b.nii.gz")
    result = project.gate("--collect-only", "-q", "data/a[1].nii.gz::brightness")
    assert collected(result) == ["data/a[1].nii.gz::brightness"]
