"""--safegen-reference, --safegen-holdout and --safegen-profile."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from gate_project import Project

from pytest_safegen.testing import phantom, write_cohort, write_scan

pytestmark = pytest.mark.slow

REFERENCE = "--safegen-reference=real"


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders that the first test fills: real scans, and a cache of what was learned from them."""
    folder = tmp_path_factory.mktemp("fitted")
    return {"real": write_cohort(folder / "real", range(10)), "cache": folder / "cache"}


@pytest.fixture
def cohort(project: Project, fitted: dict[str, Path]) -> Project:
    """A project with one phantom to judge, beside ten that are real to it."""
    (project.root / "real").symlink_to(fitted["real"])
    write_scan(phantom(50), project.root / "data")
    if not fitted["cache"].exists():
        project.gate(REFERENCE, checks="likeness")
        shutil.copytree(project.root / ".safegen", fitted["cache"])
        shutil.rmtree(project.report)
    shutil.copytree(fitted["cache"], project.root / ".safegen", dirs_exist_ok=True)
    return project


def profiles(project: Project) -> list[Path]:
    """The profiles in the cache."""
    return sorted((project.root / ".safegen/profiles").glob("*.safegen"))


def test_a_reference_lets_the_check_judge(cohort: Project) -> None:
    cohort.gate(REFERENCE, checks="likeness")
    (verdict,) = (v for (check, _), v in cohort.verdicts().items() if check == "likeness")
    assert verdict in ("PASS", "WARN", "FAIL")


def test_a_second_run_takes_the_profile_from_the_cache(cohort: Project) -> None:
    (profile,) = profiles(cohort)
    before = profile.stat().st_ino  # a new fit would put another file in its place
    result = cohort.gate(REFERENCE, checks="likeness")
    assert profile.stat().st_ino == before
    assert "preparing" not in result.stdout.str()


def test_the_cache_keeps_itself_out_of_git(cohort: Project) -> None:
    assert (cohort.root / ".safegen/.gitignore").read_text(encoding="utf-8") == "*\n"


def test_a_profile_needs_no_real_scan(cohort: Project) -> None:
    shutil.copy(profiles(cohort)[0], cohort.root / "brain.safegen")
    (cohort.root / "real").unlink()
    shutil.rmtree(cohort.root / ".safegen")
    cohort.gate("--safegen-profile=brain.safegen", checks="likeness")
    (finding,) = (f for f in cohort.findings() if f["check"] == "likeness")
    assert finding["verdict"] in ("PASS", "WARN", "FAIL")


def test_a_profile_gives_a_p_value(cohort: Project) -> None:
    cohort.gate(REFERENCE, checks="likeness")
    (finding,) = (f for f in cohort.findings() if f["check"] == "likeness")
    assert 0 < finding["p_value"] <= 1


def test_two_workers_judge_with_one_profile(cohort: Project) -> None:
    cohort.gate(REFERENCE, "-n2", checks="likeness")
    (finding,) = (f for f in cohort.findings() if f["check"] == "likeness")
    assert finding["p_value"] is not None
    assert len(profiles(cohort)) == 1


def test_a_profile_that_lacks_the_check_is_never_green(cohort: Project) -> None:
    shutil.copy(profiles(cohort)[0], cohort.root / "brain.safegen")
    result = cohort.gate("--safegen-profile=brain.safegen", checks="anomaly")
    assert result.ret != pytest.ExitCode.OK


def test_a_reference_and_a_profile_together_are_clear(cohort: Project) -> None:
    shutil.copy(profiles(cohort)[0], cohort.root / "brain.safegen")
    cohort.gate(REFERENCE, "--safegen-profile=brain.safegen", checks="likeness")
    assert len(profiles(cohort)) == 1


def test_a_patient_in_reference_and_holdout_is_never_green(cohort: Project) -> None:
    result = cohort.gate(REFERENCE, "--safegen-holdout=real", checks="likeness")
    assert result.ret != pytest.ExitCode.OK
    assert "holdout" in (result.stderr.str() + result.stdout.str())


def test_the_real_scans_as_data_are_judged(cohort: Project) -> None:
    cohort.gate(REFERENCE, "--safegen-report=out", data="real", checks="likeness")
    assert len((cohort.root / "out/results.jsonl").read_text(encoding="utf-8").splitlines()) == 11
