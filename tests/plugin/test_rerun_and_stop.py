"""--lf, --ff, -x, --maxfail, --collect-only, -p no:cacheprovider, -p no:terminal."""

from __future__ import annotations

import pytest
from gate_project import BAD, Project, collected, outcomes

pytestmark = pytest.mark.slow


@pytest.fixture
def cohort(project: Project) -> Project:
    """Three scans, of which two fail."""
    project.scan("data/a.nii.gz")
    project.scans("data/b.nii.gz", "data/c.nii.gz", value=BAD)
    return project


def test_last_failed_runs_only_the_failing_scans(cohort: Project) -> None:
    cohort.gate()
    result = cohort.gate("--lf")
    names = {target for check, target in cohort.verdicts() if check == "brightness"}
    assert names == {"b.nii.gz", "c.nii.gz"}
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_last_failed_is_green_once_the_scans_are_mended(cohort: Project) -> None:
    cohort.gate()
    cohort.scans("data/b.nii.gz", "data/c.nii.gz")
    assert cohort.gate("--lf").ret == pytest.ExitCode.OK


def test_last_failed_knows_series(project: Project) -> None:
    project.scan("data/sub-01_ses-01_T1w.nii.gz", 0.1)
    project.scan("data/sub-01_ses-02_T1w.nii.gz", 1.5)
    arguments = ("--safegen-threshold=brightness=<=2", "--safegen-threshold=growth=<=1")
    project.gate(*arguments)
    result = project.gate(*arguments, "--lf", "--collect-only", "-q")
    assert collected(result) == ["data/sub-01::growth"]


def test_last_failed_runs_everything_where_only_the_release_failed(project: Project) -> None:
    project.scans("data/a.nii.gz", "data/b.nii.gz")
    limit = "--safegen-threshold=population=<=1"
    project.gate(limit)
    assert project.gate("--lf", limit).ret == pytest.ExitCode.TESTS_FAILED


def test_last_failed_without_a_failure_judges_the_whole_release(project: Project) -> None:
    project.scan("data/a.nii.gz")
    project.gate()
    project.gate("--lf")
    assert project.gate_json()["verdict"] == "PASS"


def test_failed_first_judges_everything(cohort: Project) -> None:
    cohort.gate()
    cohort.gate("--ff")
    assert len(cohort.verdicts()) == 5


@pytest.mark.parametrize("stop", ["-x", "--maxfail=1"])
def test_a_run_that_stops_early_is_red(cohort: Project, stop: str) -> None:
    assert cohort.gate(stop).ret != pytest.ExitCode.OK


def test_a_run_that_stops_early_says_what_was_never_judged(cohort: Project) -> None:
    cohort.gate("-x")
    assert cohort.reason("accounting").startswith("1 check (brightness of c.nii.gz) was")


def test_collect_only_writes_no_report(cohort: Project) -> None:
    cohort.gate("--collect-only")
    assert not cohort.report.exists()


def test_collect_only_fits_nothing(cohort: Project) -> None:
    result = cohort.gate("--collect-only", "--safegen-reference=data", checks=None)
    assert not (cohort.root / ".safegen").exists()
    assert result.ret == pytest.ExitCode.OK


def test_it_works_without_the_cache(cohort: Project) -> None:
    result = cohort.gate("-p", "no:cacheprovider")
    assert outcomes(result) == {"passed": 3, "failed": 2}


def test_it_works_without_the_terminal(cohort: Project) -> None:
    result = cohort.gate("-p", "no:terminal")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert len(cohort.verdicts()) == 5
