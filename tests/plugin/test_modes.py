"""--safegen-mode, --safegen-min-scans, --safegen-threshold, --safegen-heatmaps."""

from __future__ import annotations

import pytest
from gate_project import BAD, Project, outcomes

FAILED = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def one_fails(project: Project) -> Project:
    """One good scan and one that fails."""
    project.scan("data/a.nii.gz")
    project.scan("data/b.nii.gz", BAD)
    return project


@pytest.mark.parametrize("mode", ["warn", "record"])
def test_a_mode_that_does_not_enforce_is_green(one_fails: Project, mode: str) -> None:
    assert one_fails.gate(f"--safegen-mode={mode}", "-Wdefault").ret == pytest.ExitCode.OK


@pytest.mark.parametrize("mode", ["enforce", "warn", "record"])
def test_every_mode_records_the_failure(one_fails: Project, mode: str) -> None:
    one_fails.gate(f"--safegen-mode={mode}")
    assert one_fails.verdicts()[("brightness", "b.nii.gz")] == "FAIL"
    assert one_fails.gate_json()["verdict"] == "FAIL"


def test_enforce_is_red(one_fails: Project) -> None:
    assert one_fails.gate("--safegen-mode=enforce").ret == FAILED


def test_warn_makes_a_failure_a_warning(one_fails: Project) -> None:
    result = one_fails.gate("--safegen-mode=warn", "-Wdefault")
    assert outcomes(result) == {"passed": 4, "warnings": 1}


def test_record_says_nothing(one_fails: Project) -> None:
    assert outcomes(one_fails.gate("--safegen-mode=record")) == {"passed": 4}


@pytest.mark.parametrize("distribution", [(), ("-n2",)], ids=["alone", "xdist"])
def test_warn_is_green_where_warnings_are_errors(
    one_fails: Project, distribution: tuple[str, ...]
) -> None:
    one_fails.makeini("filterwarnings = error")
    result = one_fails.gate("--safegen-mode=warn", "-Werror", *distribution)
    assert result.ret == pytest.ExitCode.OK
    assert outcomes(result) == {"passed": 4, "warnings": 1}
    result.stdout.fnmatch_lines(["*warnings summary*", "data/b.nii.gz::brightness", "*Too bright"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_warn_shows_a_failing_verdict_on_the_release(one_fails: Project) -> None:
    result = one_fails.gate("--safegen-mode=warn", "--safegen-threshold=population=<=1")
    assert outcomes(result) == {"passed": 4, "warnings": 2}


def test_warn_shows_one_warning_for_a_cause_that_scans_share(project: Project) -> None:
    project.scans("data/a.nii.gz", "data/b.nii.gz")
    result = project.gate("--safegen-mode=warn", checks="likeness")
    assert result.stdout.str().count("ERROR: No real scans to compare with") == 1


def test_warn_respects_that_warnings_are_switched_off(one_fails: Project) -> None:
    result = one_fails.gate("--safegen-mode=warn", "-p", "no:warnings")
    assert outcomes(result) == {"passed": 4}


def test_the_header_says_that_failures_do_not_count(one_fails: Project) -> None:
    result = one_fails.gate("--safegen-mode=record")
    result.stdout.fnmatch_lines(["*mode record: failures do not count*"])


def test_fewer_scans_than_asked_for_are_red(project: Project) -> None:
    project.scan("data/a.nii.gz")
    assert project.gate("--safegen-min-scans=2").ret == FAILED
    assert project.reason("accounting") == "Only 1 scans were found, but 2 are required."


def test_as_many_scans_as_asked_for_are_green(project: Project) -> None:
    project.scan("data/a.nii.gz")
    assert project.gate("--safegen-min-scans=1").ret == pytest.ExitCode.OK


def test_a_threshold_loosens_a_limit(one_fails: Project) -> None:
    assert one_fails.gate("--safegen-threshold=brightness=<=3").ret == pytest.ExitCode.OK


def test_a_threshold_sets_a_limit_on_a_measure(one_fails: Project) -> None:
    one_fails.gate("--safegen-threshold=brightness.mean=<=0.1")
    assert one_fails.verdicts()[("brightness", "a.nii.gz")] == "FAIL"


def test_a_threshold_on_a_measure_that_does_not_exist_is_never_green(one_fails: Project) -> None:
    result = one_fails.gate("--safegen-threshold=brightness.nothing=<=0.1")
    assert result.ret == FAILED
    assert one_fails.verdicts()[("brightness", "a.nii.gz")] in ("INCONCLUSIVE", "ERROR")
    assert "nothing" in one_fails.reason("brightness", "a.nii.gz")


def test_a_rate_without_real_scans_is_never_green(one_fails: Project) -> None:
    assert one_fails.gate("--safegen-threshold=brightness=p<=0.05").ret == FAILED
    assert one_fails.verdicts()[("brightness", "a.nii.gz")] == "ERROR"
