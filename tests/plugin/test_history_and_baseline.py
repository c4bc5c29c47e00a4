"""--safegen-history, --safegen-baseline and --safegen-fail-on-regression in a pytest run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from gate_project import BAD, GOOD, Project

from pytest_safegen.config.settings import Settings
from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.results.baseline import BaselineCheck
from pytest_safegen.results.history import History, open_history

pytestmark = pytest.mark.slow

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
SCANS = 12
SCAN_CHECKS = "brightness,population"


@pytest.fixture
def releases(project: Project) -> Project:
    """A first version of a generator that was judged, and its scans."""
    for place in range(SCANS):
        project.scan(f"data/s{place:02}.nii.gz", GOOD + place / 100)
    assert gate(project, "--safegen-generator=gan@1.0").ret == OK
    return project


def gate(project: Project, *arguments: str) -> pytest.RunResult:
    """Run the gate with the checks that every scan has."""
    return project.gate(*arguments, checks=SCAN_CHECKS)


def history(project: Project) -> History:
    return open_history(f"sqlite:///{project.root / '.safegen' / 'history.db'}", create=False)


def test_a_run_is_kept_with_its_model(releases: Project) -> None:
    (entry,) = history(releases).entries()
    assert (entry.name, entry.complete) == ("gan@1.0", True)
    assert len(history(releases).load(entry).findings) == SCANS + 2


def test_a_part_of_a_run_is_kept_as_incomplete(releases: Project) -> None:
    gate(releases, "-k", "s01")
    assert [e.complete for e in history(releases).entries()] == [True, False]


def test_git_is_called_once_a_run(
    releases: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    (tmp_path / "bin").mkdir()
    git = tmp_path / "bin" / "git"
    git.write_text(f"#!/bin/sh\necho call >> {calls}\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(git.parent), prepend=os.pathsep)
    gate(releases, "--safegen-baseline=latest")
    assert calls.read_text().split() == ["call"]


def test_store_none_keeps_nothing(project: Project) -> None:
    project.scan("data/a.nii.gz")
    assert gate(project, "--safegen-history=none").ret == OK
    assert not (project.root / ".safegen").exists()


def test_the_same_release_has_no_regression(releases: Project) -> None:
    result = gate(releases, "--safegen-generator=gan@1.1", "--safegen-baseline=1.0")
    assert result.ret == OK
    assert releases.verdicts()[("regression", "")] == "PASS"
    assert "Detectable (n=" in releases.reason("regression")


def test_new_failures_are_a_regression(releases: Project) -> None:
    releases.scan("data/s03.nii.gz", BAD * 20)
    releases.scan("data/s04.nii.gz", BAD * 20)
    result = gate(releases, "--safegen-generator=gan@1.1", "--safegen-baseline=1.0")
    assert result.ret == FAILED
    result.stdout.fnmatch_lines(["FAILED safegen-gate::regression*"])
    assert releases.gate_json()["regression"]["outcome"] == "regressed"
    new_failures = releases.gate_json()["regression"]["new_failures"]
    assert [each["target"] for each in new_failures] == ["s03.nii.gz", "s04.nii.gz"]


def test_a_rule_of_the_user_replaces_the_usual_ones(releases: Project) -> None:
    for place in range(SCANS):
        releases.scan(f"data/s{place:02}.nii.gz", GOOD + place / 100 + 0.05)
    shifted = ("--safegen-baseline=1.0", "--safegen-generator=gan@1.1")
    assert gate(releases, *shifted).ret == FAILED
    mild = "--safegen-fail-on-regression=brightness: delta 0.95"
    assert gate(releases, *shifted, mild).ret == OK


def test_other_limits_are_incomparable_and_never_green(releases: Project) -> None:
    result = gate(releases, "--safegen-baseline=1.0", "--safegen-threshold=brightness=0.9")
    assert result.ret == FAILED
    assert releases.verdicts()[("regression", "")] == "INCONCLUSIVE"
    assert "INCOMPARABLE" in releases.reason("regression")
    assert "limits and options" in releases.reason("regression")


@pytest.mark.parametrize(("choice", "code"), [("pass", OK), ("fail", FAILED)])
def test_a_first_run_passes_or_fails_by_choice(project: Project, choice: str, code: int) -> None:
    project.scan("data/a.nii.gz")
    result = gate(project, "--safegen-baseline=latest", f"--safegen-missing-baseline={choice}")
    assert result.ret == code
    assert "no earlier run" in project.reason("regression")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--safegen-baseline=9.9"], "no run called '9.9'"),
        (["--safegen-baseline=1.0", "--safegen-fail-on-regression=worse"], "is not understood"),
        (
            ["--safegen-baseline=1.0", "--safegen-fail-on-regression=birghtness: any"],
            "Did you mean 'brightness'",
        ),
        (["--safegen-fail-on-regression=brightness: any"], "needs --safegen-baseline"),
        (["--safegen-baseline=1.0", "--safegen-history=none"], "keeps none"),
        (["--safegen-history=history.db"], "is no URL"),
    ],
)
def test_wrong_use_is_one_sentence(releases: Project, arguments: list[str], message: str) -> None:
    result = gate(releases, *arguments)
    assert result.ret == USAGE
    result.stderr.fnmatch_lines([f"ERROR: *{message}*"])


def test_a_baseline_with_other_checks_is_refused(releases: Project) -> None:
    result = releases.gate("--safegen-baseline=1.0", checks="brightness")
    assert result.ret == USAGE
    result.stderr.fnmatch_lines(["ERROR: *was judged by other checks*population*"])


def test_the_store_can_be_named(project: Project, tmp_path: Path) -> None:
    project.scan("data/a.nii.gz")
    gate(project, f"--safegen-history=sqlite:///{tmp_path / 'team' / 'runs.db'}")
    assert (tmp_path / "team" / "runs.db").is_file()
    assert not (project.root / ".safegen").exists()


def test_a_run_is_logged_to_mlflow_as_well(project: Project) -> None:
    pytest.importorskip("mlflow", reason="`pip install 'pytest-safegen[mlflow]'` runs this test")
    project.scan("data/a.nii.gz")
    store = f"sqlite:///{project.root / 'mlflow.db'}"
    gate(project, "--safegen-generator=gan@1.0", f"--safegen-mlflow={store}").assert_outcomes(
        passed=3
    )
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=store)
    (run,) = client.search_runs([client.get_experiment_by_name("gan").experiment_id])
    assert run.data.tags["safegen.verdict"] == "PASS"


def test_an_mlflow_that_does_not_answer_turns_the_run_red(project: Project) -> None:
    pytest.importorskip("mlflow", reason="`pip install 'pytest-safegen[mlflow]'` runs this test")
    project.scan("data/a.nii.gz")
    result = gate(project, "--safegen-mlflow=nonsense://host")
    assert result.ret == FAILED
    result.stdout.fnmatch_lines("*MLflow at nonsense://host refused the run: *")


def test_mlflow_that_is_not_installed_is_wrong_use_before_anything_is_judged(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.scan("data/a.nii.gz")
    settings = Settings(project.root, data=(project.root / "data",), mlflow="sqlite:///m.db")
    monkeypatch.setattr("pytest_safegen.results.baseline.find_spec", lambda _: None)
    with pytest.raises(UsageProblem, match=r"pip install 'pytest-safegen\[mlflow\]'"):
        BaselineCheck.of(settings, {})


def test_the_report_of_another_run_is_no_report_of_the_baseline(releases: Project) -> None:
    kept = releases.report.rename(releases.root / "kept")
    again = gate(releases, "--safegen-generator=gan@1.1", "--safegen-baseline=1.0")
    assert again.ret == OK
    options = ("--safegen-baseline=1.1", f"--safegen-baseline-report={kept}")
    refused = gate(releases, *options)
    assert refused.ret == USAGE
    refused.stderr.fnmatch_lines("*kept is the report of run *, and the baseline is run *")
