"""Where the data may lie, and that neither scans nor own tests are lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from gate_project import Project, collected

pytestmark = pytest.mark.slow

OWN = "def test_own(): pass"


@pytest.mark.parametrize(
    "folder", ["build/data", ".hidden/data", "dist", "venv/data", "node_modules/x", "data.egg/x"]
)
def test_a_folder_that_pytest_would_pass_over_loses_no_scan(project: Project, folder: str) -> None:
    project.scan(f"{folder}/a.nii.gz")
    result = project.gate("--collect-only", "-q", data=folder)
    assert collected(result) == [f"{folder}/a.nii.gz::brightness"]


def test_subfolders_that_pytest_would_pass_over_lose_no_scan(project: Project) -> None:
    project.scans("data/build/a.nii.gz", "data/.hidden/b.nii.gz")
    result = project.gate("--collect-only", "-q")
    assert len(collected(result)) == 2


def test_own_norecursedirs_lose_no_scan(project: Project) -> None:
    project.pytester.makeini("[pytest]\nnorecursedirs = data sub-*")
    project.scan("data/sub-01/a.nii.gz")
    assert len(collected(project.gate("--collect-only", "-q"))) == 1


@pytest.mark.parametrize("arguments", [(), (".",), ("tests",), ("tests/test_own.py",)])
def test_own_tests_are_not_lost(project: Project, arguments: tuple[str, ...]) -> None:
    project.scan("data/a.nii.gz")
    project.write("tests/test_own.py", OWN)
    names = collected(project.gate("--collect-only", "-q", *arguments))
    assert sorted(names) == ["data/a.nii.gz::brightness", "tests/test_own.py::test_own"]


def test_own_tests_are_not_lost_with_testpaths(project: Project) -> None:
    project.pytester.makeini("[pytest]\ntestpaths = tests")
    project.scan("data/a.nii.gz")
    project.write("tests/test_own.py", OWN)
    names = collected(project.gate("--collect-only", "-q"))
    assert sorted(names) == ["data/a.nii.gz::brightness", "tests/test_own.py::test_own"]


def test_testpaths_keep_their_meaning(project: Project) -> None:
    project.pytester.makeini("[pytest]\ntestpaths = tests")
    project.scan("data/a.nii.gz")
    project.write("elsewhere/test_other.py", OWN)
    project.write("tests/test_own.py", OWN)
    names = collected(project.gate("--collect-only", "-q"))
    assert not any("test_other" in name for name in names)


def test_data_inside_the_folder_of_tests_is_collected_once(project: Project) -> None:
    project.scan("tests/data/a.nii.gz")
    project.write("tests/test_own.py", OWN)
    names = collected(project.gate("--collect-only", "-q", "tests", data="tests/data"))
    assert sorted(names) == ["tests/data/a.nii.gz::brightness", "tests/test_own.py::test_own"]


def test_data_outside_the_project_is_judged(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    project.scan("a.nii.gz").rename(elsewhere / "a.nii.gz")
    project.write("test_own.py", OWN)
    names = collected(project.gate("--collect-only", "-q", data=str(elsewhere)))
    assert len(names) == 2


def test_the_project_may_lie_among_its_scans(project: Project) -> None:
    project.scan("a.nii.gz")
    project.write("tests/test_own.py", OWN)
    names = collected(project.gate("--collect-only", "-q", data="."))
    assert sorted(names) == ["a.nii.gz::brightness", "tests/test_own.py::test_own"]


def test_one_own_test_can_be_asked_for_among_scans(project: Project) -> None:
    project.scan("a.nii.gz")
    project.write("tests/test_own.py", OWN)
    project.write("tests/test_other.py", OWN)
    names = collected(project.gate("--collect-only", "-q", "tests/test_own.py", data="."))
    assert sorted(names) == ["a.nii.gz::brightness", "tests/test_own.py::test_own"]


def test_one_scan_can_be_asked_for_among_own_tests(project: Project) -> None:
    project.scans("a.nii.gz", "b.nii.gz")
    project.write("tests/test_own.py", OWN)
    names = collected(project.gate("--collect-only", "-q", "b.nii.gz::brightness", data="."))
    assert names == ["b.nii.gz::brightness"]


def test_several_folders_do_not_mix_the_same_patient(project: Project) -> None:
    project.scans("v1/sub-01_T1w.nii.gz", "v2/sub-01_T1w.nii.gz")
    project.gate("--safegen-data=v2", data="v1")
    scans = {target for check, target in project.verdicts() if check == "brightness"}
    assert scans == {"v1/sub-01_T1w.nii.gz", "v2/sub-01_T1w.nii.gz"}


def test_a_scan_of_several_folders_is_selected_by_its_node_id(project: Project) -> None:
    project.scans("v1/sub-01_T1w.nii.gz", "v2/sub-01_T1w.nii.gz")
    project.gate("--safegen-data=v2", "v2/sub-01_T1w.nii.gz::brightness", data="v1")
    assert set(project.verdicts()) == {("brightness", "v2/sub-01_T1w.nii.gz")}


def test_a_series_of_several_folders_is_selected_by_its_node_id(project: Project) -> None:
    for folder in ("v1", "v2"):
        for session in ("01", "02"):
            project.scan(f"{folder}/sub-01/ses-{session}/sub-01_ses-{session}_T1w.nii.gz")
    result = project.gate(
        "--safegen-data=v2", "--collect-only", "-q", "v2/sub-01::growth", data="v1"
    )
    assert collected(result) == ["v2/sub-01::growth"]


def test_two_folders_of_one_name_are_refused(project: Project) -> None:
    project.scans("v1/data/a.nii.gz", "v2/data/a.nii.gz")
    result = project.gate("--safegen-data=v2/data", data="v1/data")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_folder_inside_another_is_refused(project: Project) -> None:
    project.scans("data/a.nii.gz", "data/inner/b.nii.gz")
    assert project.gate("--safegen-data=data/inner").ret == pytest.ExitCode.USAGE_ERROR


def test_the_same_folder_twice_counts_once(project: Project) -> None:
    project.scan("data/a.nii.gz")
    assert len(collected(project.gate("--safegen-data=data/", "--collect-only", "-q"))) == 1


def test_a_folder_behind_a_link_is_judged(project: Project) -> None:
    project.scan("store/a.nii.gz")
    (project.root / "data").symlink_to("store")
    project.gate()
    assert ("brightness", "a.nii.gz") in project.verdicts()


def test_a_path_with_two_dots_is_judged(project: Project) -> None:
    project.scan("data/a.nii.gz")
    (project.root / "tests").mkdir()
    result = project.gate("--collect-only", "-q", data="tests/../data")
    assert collected(result) == ["data/a.nii.gz::brightness"]


def test_the_report_inside_the_data_is_not_taken_for_data(project: Project) -> None:
    project.scan("data/a.nii.gz", 2.0)
    for _ in range(2):
        project.gate("--safegen-report=data/safegen-report", "--safegen-heatmaps=all")
    found = (
        Path(project.root / "data/safegen-report/results.jsonl")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    assert len(found) == 3
