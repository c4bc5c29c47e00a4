"""--safegen-mode, --safegen-min-scans, --safegen-threshold, --safegen-heatmaps."""

from __future__ import annotations

import pytest
from gate_project import BAD, Project, outcomes

FAILED = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def spoiled(project: Project) -> Project:
    """One good scan and one that fails."""
    project.scan("data/a.nii.gz")
    project.scan("data/b.nii.gz", BAD)
    return project


@pytest.mark.parametrize("mode", ["warn", "record"])
def test_a_mode_that_does_not_enforce_is_green(spoiled: Project, mode: str) -> None:
    assert spoiled.gate(f"--safegen-mode={mode}", "-Wdefault").ret == pytest.ExitCode.OK


@pytest.mark.parametrize("mode", ["enforce", "warn", "record"])
def test_every_mode_records_the_failure(spoiled: Project, mode: str) -> None:
    spoiled.gate(f"--safegen-mode={mode}")
    assert spoiled.verdicts()[("brightness", "b.nii.gz")] == "FAIL"
    assert spoiled.gate_json()["verdict"] == "FAIL"


def test_enforce_is_red(spoiled: Project) -> None:
    assert spoiled.gate("--safegen-mode=enforce").ret == FAILED


def test_warn_makes_a_failure_a_warning(spoiled: Project) -> None:
    result = spoiled.gate("--safegen-mode=warn", "-Wdefault")
    assert outcomes(result) == {"passed": 4, "warnings": 1}


def test_record_says_nothing(spoiled: Project) -> None:
    assert outcomes(spoiled.gate("--safegen-mode=record")) == {"passed": 4}


def test_warnings_as_errors_make_the_mode_warn_red(spoiled: Project) -> None:
    assert spoiled.gate("--safegen-mode=warn", "-Werror").ret == FAILED


def test_the_header_says_that_failures_do_not_count(spoiled: Project) -> None:
    result = spoiled.gate("--safegen-mode=record")
    result.stdout.fnmatch_lines(["*mode record: failures do not count*"])


def test_fewer_scans_than_asked_for_are_red(project: Project) -> None:
    project.scan("data/a.nii.gz")
    assert project.gate("--safegen-min-scans=2").ret == FAILED
    assert project.reason("accounting") == "Only 1 scans were found, but 2 are required."


def test_as_many_scans_as_asked_for_are_green(project: Project) -> None:
    project.scan("data/a.nii.gz")
    assert project.gate("--safegen-min-scans=1").ret == pytest.ExitCode.OK


def test_a_threshold_loosens_a_limit(spoiled: Project) -> None:
    assert spoiled.gate("--safegen-threshold=brightness=<=3").ret == pytest.ExitCode.OK


def test_a_threshold_sets_a_limit_on_a_measure(spoiled: Project) -> None:
    spoiled.gate("--safegen-threshold=brightness.mean=<=0.1")
    assert spoiled.verdicts()[("brightness", "a.nii.gz")] == "FAIL"


def test_a_threshold_on_a_measure_that_does_not_exist_is_never_green(spoiled: Project) -> None:
    result = spoiled.gate("--safegen-threshold=brightness.nothing=<=0.1")
    assert result.ret == FAILED
    assert spoiled.verdicts()[("brightness", "a.nii.gz")] in ("INCONCLUSIVE", "ERROR")
    assert "nothing" in spoiled.reason("brightness", "a.nii.gz")


def test_a_rate_without_real_scans_is_never_green(spoiled: Project) -> None:
    assert spoiled.gate("--safegen-threshold=brightness=p<=0.05").ret == FAILED
    assert spoiled.verdicts()[("brightness", "a.nii.gz")] == "ERROR"
