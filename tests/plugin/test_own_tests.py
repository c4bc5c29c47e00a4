"""The fixtures safegen_scan, safegen_series and safegen_release in users' own tests."""

from __future__ import annotations

import pytest
from gate_project import BAD, Project, collected

pytestmark = pytest.mark.slow


@pytest.fixture
def cohort(project: Project) -> Project:
    """A patient with two timepoints, the second too bright."""
    project.scan("data/sub-01/ses-01/sub-01_ses-01_T1w.nii.gz")
    project.scan("data/sub-01/ses-02/sub-01_ses-02_T1w.nii.gz", BAD)
    return project


def own(project: Project, body: str, *arguments: str) -> pytest.RunResult:
    """Run the gate and one own test."""
    project.write("test_own.py", body)
    return project.gate("--safegen-threshold=brightness=3", *arguments, checks="brightness")


def test_a_scan_test_runs_once_a_scan(cohort: Project) -> None:
    result = own(cohort, "def test_own(safegen_scan): pass", "--collect-only", "-q")
    assert [name for name in collected(result) if "test_own" in name] == [
        "test_own.py::test_own[sub-01/ses-01/sub-01_ses-01_T1w.nii.gz]",
        "test_own.py::test_own[sub-01/ses-02/sub-01_ses-02_T1w.nii.gz]",
    ]


def test_a_series_test_runs_once_a_patient(cohort: Project) -> None:
    result = own(cohort, "def test_own(safegen_series): pass", "--collect-only", "-q")
    assert "test_own.py::test_own[sub-01]" in collected(result)


def test_a_release_test_runs_once_a_data_folder(cohort: Project) -> None:
    result = own(cohort, "def test_own(safegen_release): pass", "--collect-only", "-q")
    assert "test_own.py::test_own[data]" in collected(result)


def test_one_own_test_of_one_scan_is_selected_by_its_node_id(cohort: Project) -> None:
    cohort.write("test_own.py", "def test_own(safegen_scan): pass")
    nodeid = "test_own.py::test_own[sub-01/ses-01/sub-01_ses-01_T1w.nii.gz]"
    result = cohort.gate("--collect-only", "-q", nodeid)
    assert [name for name in collected(result) if "test_own" in name] == [nodeid]


def test_a_scan_comes_with_its_voxels(cohort: Project) -> None:
    own(cohort, "def test_own(safegen_scan): assert safegen_scan.voxels.shape == (4, 4, 4)")
    assert {v for (check, _), v in cohort.verdicts().items() if check == "test_own"} == {"PASS"}


def test_a_failing_own_test_is_a_finding(cohort: Project) -> None:
    own(cohort, "def test_own(safegen_scan): assert safegen_scan.voxels.max() < 1")
    target = "sub-01/ses-02/sub-01_ses-02_T1w.nii.gz"
    assert cohort.verdicts()[("test_own", target)] == "FAIL"
    assert "assert" in cohort.reason("test_own", target)


def test_a_failing_own_test_fails_the_gate(cohort: Project) -> None:
    result = own(cohort, "def test_own(safegen_release): assert False, 'too few'")
    assert cohort.gate_json()["verdict"] == "FAIL"
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_failing_own_test_of_a_series_is_a_finding(cohort: Project) -> None:
    own(cohort, "def test_own(safegen_series): assert len(safegen_series.refs) == 3")
    assert cohort.verdicts()[("test_own", "sub-01")] == "FAIL"


def test_a_failure_in_another_fixture_is_a_finding(cohort: Project) -> None:
    body = (
        "import pytest\n"
        "@pytest.fixture\ndef broken(): raise RuntimeError('no GPU')\n"
        "def test_own(safegen_series, broken): pass"
    )
    own(cohort, body)
    assert "no GPU" in cohort.reason("test_own", "sub-01")


def test_a_failure_after_the_test_is_not_lost(cohort: Project) -> None:
    body = (
        "import pytest\n"
        "@pytest.fixture\ndef late():\n    yield\n    raise RuntimeError('left open')\n"
        "def test_own(safegen_series, late): pass"
    )
    own(cohort, body)
    assert cohort.gate_json()["verdict"] in ("FAIL", "ERROR")


def test_a_skipped_own_test_is_no_finding(cohort: Project) -> None:
    own(cohort, "import pytest\ndef test_own(safegen_series): pytest.skip('no')")
    assert ("test_own", "sub-01") not in cohort.verdicts()


def test_an_expected_failure_is_no_failure(cohort: Project) -> None:
    body = "import pytest\n@pytest.mark.xfail\ndef test_own(safegen_series): assert False"
    assert own(cohort, body).ret == pytest.ExitCode.OK


def test_own_parameters_make_findings_of_their_own(cohort: Project) -> None:
    body = (
        "import pytest\n"
        "@pytest.mark.parametrize('limit', [0, 9])\n"
        "def test_own(safegen_series, limit): assert len(safegen_series.refs) <= limit"
    )
    own(cohort, body)
    assert len([f for f in cohort.findings() if f["check"].startswith("test_own")]) == 2
    assert cohort.gate_json()["verdict"] == "FAIL"


def test_a_test_in_a_class_works(cohort: Project) -> None:
    own(cohort, "class TestOwn:\n    def test_own(self, safegen_series): pass")
    assert cohort.verdicts()[("test_own", "sub-01")] == "PASS"


def test_an_own_test_called_like_a_check_does_not_stand_for_it(cohort: Project) -> None:
    cohort.write("test_own.py", "def brightness(safegen_scan): pass")
    cohort.pytester.makeini("[pytest]\npython_functions = brightness\naddopts = -p no:randomly")
    result = cohort.gate("--deselect", "data", checks="brightness")
    assert cohort.gate_json()["verdict"] == "INCONCLUSIVE"
    assert result.ret == pytest.ExitCode.OK


def test_a_scan_that_cannot_be_read_fails_an_own_test_in_one_sentence(cohort: Project) -> None:
    cohort.write("data/sub-01/ses-01/sub-01_ses-01_T1w.nii.gz", "not a scan")
    own(cohort, "def test_own(safegen_scan): pass")
    reason = cohort.reason("test_own", "sub-01/ses-01/sub-01_ses-01_T1w.nii.gz")
    assert "sub-01_ses-01_T1w.nii.gz" in reason


def test_without_data_own_tests_are_skipped(project: Project) -> None:
    project.write("test_own.py", "def test_own(safegen_scan): pass")
    project.run().assert_outcomes(skipped=1)


def test_strict_markers_know_the_gates_markers(cohort: Project) -> None:
    body = "import pytest\n@pytest.mark.safegen\ndef test_own(safegen_series): pass"
    assert own(cohort, body, "--strict-markers").ret == pytest.ExitCode.OK


@pytest.mark.parametrize("marker", ["safegen", "safegen_check"])
def test_the_markers_are_listed(project: Project, marker: str) -> None:
    project.run("--markers").stdout.fnmatch_lines([f"@pytest.mark.{marker}*"])


def test_the_options_are_in_the_help(project: Project) -> None:
    project.run("--help").stdout.fnmatch_lines(["safegen: gate for synthetic medical images:"])


def test_two_conftests_are_no_conflict(cohort: Project) -> None:
    cohort.write("tests/conftest.py", "")
    cohort.write("tests/test_own.py", "def test_own(safegen_series): pass")
    assert cohort.gate("tests", checks="growth").ret is not pytest.ExitCode.USAGE_ERROR
