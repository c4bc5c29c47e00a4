"""What cannot be judged is never green: each way with a sentence of its own."""

from __future__ import annotations

import json

import pytest
from gate_project import BAD, CRASH, INTERRUPT, NOT_A_NUMBER, STAND_INS, Project

from pytest_safegen.judging.self_test import SELF_TEST

pytestmark = pytest.mark.slow

FAILED = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def cohort(project: Project) -> Project:
    """Two good scans."""
    project.scans("data/a.nii.gz", "data/b.nii.gz")
    return project


def test_the_good_scans_alone_are_green(cohort: Project) -> None:
    assert cohort.gate().ret == pytest.ExitCode.OK


def test_a_scan_that_cannot_be_read_is_an_error(cohort: Project) -> None:
    cohort.write("data/b.nii.gz", "not a scan")
    assert cohort.gate().ret == FAILED
    assert cohort.verdicts()[("brightness", "b.nii.gz")] == "ERROR"
    assert "b.nii.gz" in cohort.reason("brightness", "b.nii.gz")


def test_a_score_that_is_no_number_is_an_error(cohort: Project) -> None:
    cohort.scan("data/b.nii.gz", NOT_A_NUMBER)
    assert cohort.gate().ret == FAILED
    assert cohort.reason("brightness", "b.nii.gz") == (
        "The check returned NaN or infinity for score, mean."
    )


def test_a_check_that_crashes_is_an_error(cohort: Project) -> None:
    cohort.scan("data/b.nii.gz", CRASH)
    assert cohort.gate().ret == FAILED
    assert cohort.reason("brightness", "b.nii.gz") == (
        "The check crashed (RuntimeError: the stand-in crashed on purpose); "
        "this is a defect of the check."
    )


def test_a_check_that_needs_real_scans_says_the_way_out(cohort: Project) -> None:
    assert cohort.gate(checks="anomaly").ret == FAILED
    assert cohort.verdicts()[("anomaly", "a.nii.gz")] == "ERROR"
    assert "add --safegen-reference DIR" in cohort.reason("anomaly", "a.nii.gz")


def test_a_release_check_that_needs_real_scans_says_the_way_out(cohort: Project) -> None:
    assert cohort.gate(checks="metadata").ret == FAILED
    assert cohort.verdicts()[("metadata", "")] == "ERROR"
    assert "--safegen-reference" in cohort.reason("metadata")


def test_too_few_real_scans_are_never_green(cohort: Project) -> None:
    result = cohort.gate("--safegen-reference=data", checks="anomaly")
    assert result.ret == FAILED
    assert "at least 10" in cohort.reason("anomaly", "a.nii.gz")


def test_one_failing_scan_does_not_stop_the_others(cohort: Project) -> None:
    cohort.scan("data/a.nii.gz", CRASH)
    cohort.gate()
    assert cohort.verdicts()[("brightness", "b.nii.gz")] == "PASS"


def test_a_check_that_a_conftest_drops_is_missed(cohort: Project) -> None:
    drop = (
        "\ndef pytest_collection_modifyitems(items):\n"
        "    items[:] = [item for item in items if 'b.nii.gz' not in item.nodeid]\n"
    )
    conftest = cohort.root / "conftest.py"
    conftest.write_text(conftest.read_text(encoding="utf-8") + drop)
    assert cohort.gate().ret == FAILED
    assert cohort.reason("accounting").endswith("discovered but not collected by pytest.")


def test_a_skipped_check_is_missed(cohort: Project) -> None:
    skip = (
        "\nimport pytest\n"
        "def pytest_runtest_setup(item):\n"
        "    if 'b.nii.gz' in item.nodeid:\n"
        "        pytest.skip('flaky')\n"
    )
    conftest = cohort.root / "conftest.py"
    conftest.write_text(conftest.read_text(encoding="utf-8") + skip)
    assert cohort.gate().ret == FAILED
    assert "(brightness of b.nii.gz)" in cohort.reason("accounting")


def test_a_check_marked_as_expected_to_fail_still_blocks(cohort: Project) -> None:
    mark = (
        "\nimport pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    for item in items:\n"
        "        item.add_marker(pytest.mark.xfail)\n"
    )
    conftest = cohort.root / "conftest.py"
    conftest.write_text(conftest.read_text(encoding="utf-8") + mark)
    cohort.scan("data/b.nii.gz", BAD)
    assert cohort.gate().ret == FAILED


def test_an_interrupt_leaves_what_was_judged(cohort: Project) -> None:
    cohort.scan("data/b.nii.gz", INTERRUPT)
    cohort.pytester.runpytest_subprocess(
        "--safegen-data=data", "--safegen-checks=brightness", "--safegen-device=cpu"
    )
    assert cohort.verdicts()[("brightness", "a.nii.gz")] == "PASS"


def test_an_interrupt_is_no_pass(cohort: Project) -> None:
    cohort.scan("data/b.nii.gz", INTERRUPT)
    result = cohort.pytester.runpytest_subprocess(
        "--safegen-data=data", "--safegen-checks=brightness", "--safegen-device=cpu"
    )
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert cohort.gate_json()["verdict"] == "ERROR"


def test_a_report_that_cannot_be_written_is_red(cohort: Project) -> None:
    broken = (
        "\n@pytest_safegen.hookimpl\n"
        "def safegen_write_report(run, releases, folder):\n"
        "    raise OSError('the disk is full')\n"
    )
    conftest = cohort.root / "conftest.py"
    conftest.write_text(conftest.read_text(encoding="utf-8") + broken)
    result = cohort.gate()
    assert result.ret == FAILED
    result.stdout.fnmatch_lines(["*Writing a report failed*the disk is full*"])


def test_an_own_test_that_cannot_be_imported_leaves_no_pass(cohort: Project) -> None:
    cohort.write("test_own.py", "import no_such_module")
    assert cohort.gate().ret == pytest.ExitCode.INTERRUPTED
    assert cohort.gate_json()["verdict"] == "ERROR"


def test_a_planted_fault_that_is_missed_turns_the_run_red(project: Project) -> None:
    project.scan("data/a.nii.gz")
    result = project.gate("--safegen-self-test=2", checks="brightness")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert project.verdicts()[SELF_TEST, ""] == "INCONCLUSIVE"
    assert project.gate_json()["verdict"] == "INCONCLUSIVE"


def test_without_a_self_test_there_is_no_verdict_on_it(project: Project) -> None:
    project.scan("data/a.nii.gz")
    project.gate(checks="brightness")
    assert (SELF_TEST, "") not in project.verdicts()


STRANGER = """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    yield
    if item.name == "brightness":
        raise RuntimeError("out of licences")
"""


def test_an_item_that_another_plug_in_fails_is_an_error_with_its_traceback(cohort: Project) -> None:
    cohort.pytester.makeconftest(STAND_INS + STRANGER)
    result = cohort.gate()
    assert result.ret == FAILED
    assert cohort.verdicts()[("brightness", "a.nii.gz")] == "ERROR"
    assert "out of licences" in cohort.reason("brightness", "a.nii.gz")
    assert cohort.gate_json()["verdict"] == "ERROR"
    result.stdout.fnmatch_lines("*raise RuntimeError*")


def test_a_rate_for_a_measure_is_wrong_use_before_anything_is_judged(cohort: Project) -> None:
    result = cohort.gate("--safegen-threshold=brightness.mean=p<=0.01")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines("*is a false-alarm rate, and only the score *")


def test_limits_are_in_the_results_though_the_main_process_judged_nothing(cohort: Project) -> None:
    cohort.gate("-n1", "--safegen-checks=brightness")
    run = json.loads((cohort.report / "results.json").read_text(encoding="utf-8"))
    assert run["limits"]["brightness"][""]["score"]["fail_above"] == 1.0
