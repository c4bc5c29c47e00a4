"""What GitHub shows: annotations, summary, outputs, SARIF."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_safegen import Breach, Finding, Run, Verdict
from pytest_safegen.cli.main import main
from pytest_safegen.results.files import ResultLog
from pytest_safegen.results.gate_json import save_run
from safegen_reports.github import (
    MAX_SUMMARY_BYTES,
    truncate_lines,
    workflow_command,
    workflow_commands,
)
from safegen_reports.sarif import sarif_log

STEPS = dict.fromkeys(("discovered", "collected", "judged", "reported"), 1)


def run_of(*findings: Finding, verdict: Verdict = Verdict.FAIL) -> Run:
    """A run with these findings."""
    reasons = (f"{len(findings)} FAIL",)
    return Run("r1", "2026-01-01", verdict, reasons, ("synthetic",), "enforce", findings, STEPS)


def failing(target: str, score: float, reason: str = "Too bright.") -> Finding:
    return Finding("anomaly", target, Verdict.FAIL, reason, score, 1.0)


def test_the_verdict_comes_first_then_the_worst_and_ten_at_most() -> None:
    run = run_of(*(failing(f"s{n:02}.nii.gz", float(n), f"Odd {n}.") for n in range(2, 40)))
    lines = list(workflow_commands(run))
    assert len(lines) == 10
    assert lines[0].startswith("::error title=safegen%3A FAIL::")
    assert "s39.nii.gz" in lines[1]


def test_findings_with_one_headline_are_one_annotation() -> None:
    run = run_of(*(failing(f"s{n}.nii.gz", 2.0, "No real scans.") for n in range(240)))
    _, line = workflow_commands(run)
    assert "title=anomaly FAIL%3A No real scans%3A 240 findings," in line


def test_an_annotation_leads_with_the_headline_and_explains_below() -> None:
    finding = replace(
        failing("a.nii", 2.0, "The brain is too bright on the left."),
        headline="Too bright",
        breaches=(Breach("score", 2.0, 1.0, Verdict.FAIL, source="8 held out"),),
    )
    _, line = workflow_commands(run_of(finding))
    assert line.startswith("::error title=anomaly FAIL%3A Too bright,file=")
    assert line.endswith("::score 2, limit 1 (8 held out)%0AThe brain is too bright on the left.")


def test_a_sarif_message_leads_with_the_headline() -> None:
    finding = replace(failing("a.nii", 2.0, "It is far too bright."), headline="Too bright")
    (run,) = sarif_log(run_of(finding))["runs"]
    assert run["results"][0]["message"]["text"] == "FAIL: Too bright\nIt is far too bright."


def test_a_green_run_has_no_annotation() -> None:
    assert list(workflow_commands(run_of(verdict=Verdict.PASS))) == []


def test_a_name_cannot_end_a_command_or_begin_another() -> None:
    line = workflow_command(
        "error", "a,b: c", "50 %\n::error::x", file="a,b\n::set-env name=x::y.nii"
    )
    assert "\n" not in line
    assert line == (
        "::error title=a%2Cb%3A c,file=a%2Cb%0A%3A%3Aset-env name=x%3A%3Ay.nii::50 %25%0A::error::x"
    )


def test_a_long_summary_keeps_whole_lines_below_the_limit() -> None:
    text = truncate_lines("ü" * 50 + "\n", MAX_SUMMARY_BYTES)
    long = truncate_lines(("ü" * 50 + "\n") * 20_000, MAX_SUMMARY_BYTES)
    assert text == "ü" * 50 + "\n"
    assert len(long.encode()) <= MAX_SUMMARY_BYTES
    assert set(long.splitlines()[:-2]) == {"ü" * 50}


def test_the_sarif_log_names_checks_files_and_levels() -> None:
    warned = replace(failing("b ü.nii.gz", 0.9), verdict=Verdict.WARN)
    log = sarif_log(run_of(failing("a.nii.gz", 2.0), warned))
    (run,) = log["runs"]
    assert [r["level"] for r in run["results"]] == ["error", "warning"]
    places = [r["locations"][0]["physicalLocation"]["artifactLocation"] for r in run["results"]]
    assert [place["uri"] for place in places] == [
        "synthetic/a.nii.gz",
        "synthetic/b%20%C3%BC.nii.gz",
    ]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["anomaly"]


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the environment files of a step."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    return tmp_path


def outputs(job: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (job / "output").read_text().splitlines() if line)


@pytest.mark.parametrize(
    ("verdict", "fail_on", "code"),
    [
        (Verdict.FAIL, "fail", 1),
        (Verdict.FAIL, "never", 0),
        (Verdict.WARN, "fail", 0),
        (Verdict.WARN, "warn", 1),
        (Verdict.PASS, "warn", 0),
        (Verdict.INCONCLUSIVE, "fail", 1),
    ],
)
def test_the_exit_code_follows_fail_on(
    job: Path, verdict: Verdict, fail_on: str, code: int
) -> None:
    folder = job / "report"
    run = run_of(replace(failing("a.nii.gz", 2.0), verdict=verdict), verdict=verdict)
    log = ResultLog(folder)
    log.add(run.findings[0])
    log.close()
    save_run(run, folder)
    assert main(["github", str(folder), f"--fail-on={fail_on}"]) == code
    assert outputs(job)["verdict"] == verdict
    assert outputs(job)["gate-json"] == str(folder / "gate.json")
    assert verdict in (job / "summary").read_text()
    assert json.loads((folder / "safegen.sarif").read_text())["version"] == "2.1.0"


def test_a_gate_that_did_not_finish_is_red_and_says_so(job: Path) -> None:
    assert main(["github", str(job / "report")]) == 1
    assert outputs(job)["verdict"] == "ERROR"
    assert "did not finish" in (job / "summary").read_text()
