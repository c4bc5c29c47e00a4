"""The steps of action.yml, run here with the environment files that GitHub sets."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gate_project import BAD, Project

pytestmark = pytest.mark.slow

yaml = pytest.importorskip("yaml", reason="`pip install pyyaml` runs this test")

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
WORKFLOWS = [
    *(ROOT / ".github" / "workflows").glob("*.yml"),
    *(ROOT / "docs" / "workflows").glob("*.yml"),
    *(ROOT / "example_project" / ".github" / "workflows").glob("*.yml"),
]
EXAMPLE = ROOT / "example_project" / ".github" / "workflows" / "gate.yml"
STEPS = ACTION["runs"]["steps"]
INPUT = re.compile(r"\$\{\{ inputs\.([a-z-]+) \}\}")
OUTPUT = re.compile(r"\$\{\{ steps\.([a-z]+)\.outputs\.([a-z-]+) \}\}")


class Job:
    """A runner for the `run` steps of the action, in a project's folder."""

    def __init__(self, project: Project, **inputs: str) -> None:
        self.project = project
        self.inputs = {name: one.get("default", "") for name, one in ACTION["inputs"].items()}
        self.inputs |= {name.replace("_", "-"): value for name, value in inputs.items()}
        self.outputs: dict[tuple[str, str], str] = {}
        self.summary = project.root / "summary.txt"
        self.text = ""

    def run(self, *, skip: tuple[str, ...] = ("Install",)) -> int:
        """Run every step as GitHub would; the highest exit code."""
        codes = []
        for step in STEPS:
            if "run" in step and step.get("name") not in skip:
                codes.append(self._step(step))
        return max(codes)

    def _step(self, step: dict[str, Any]) -> int:
        written = self.project.root / "step-output.txt"
        written.write_text("")
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PYTEST", "GITHUB", "SAFEGEN"))
        }
        environment |= {key: self._filled(value) for key, value in step.get("env", {}).items()}
        environment |= {
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(written),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            ["bash", "-e", "-c", step["run"]],  # noqa: S607  as GitHub does
            cwd=self.project.root,
            env=environment,
            capture_output=True,
            text=True,
        )
        self.text += done.stdout + done.stderr
        for line in filter(None, written.read_text().splitlines()):
            name, _, value = line.partition("=")
            self.outputs[step["id"], name] = value
        return done.returncode

    def _filled(self, text: str) -> str:
        text = INPUT.sub(lambda match: self.inputs[match[1]], text)
        return OUTPUT.sub(lambda match: self.outputs.get((match[1], match[2]), ""), text)

    def output(self, name: str) -> str:
        """An output of the action, as the jobs that use it see it."""
        return self._filled(ACTION["outputs"][name]["value"])


ARGS = "--safegen-checks=brightness,population --safegen-device=cpu -p no:cacheprovider"


def test_a_good_release_is_green_with_every_output(project: Project) -> None:
    project.scan("data/a.nii.gz")
    job = Job(project, data="data", generator="gan@1.0", args=ARGS)
    assert job.run() == 0, job.text
    assert [job.output(name) for name in ("verdict", "violations", "regressions")] == [
        "PASS",
        "0",
        "0",
    ]
    assert (project.root / job.output("gate-json")).is_file()
    assert (project.root / job.output("report-path") / "comment.md").is_file()


def test_a_bad_release_is_red_at_the_last_step_only(project: Project) -> None:
    project.scan("data/a.nii.gz", BAD)
    job = Job(project, data="data", args=ARGS)
    assert job.run(skip=("Install", "Decide")) == 0
    assert job.run() == 1
    assert job.output("verdict") == "FAIL"
    assert "FAIL" in job.summary.read_text()
    assert "::error title=brightness FAIL%3A Too bright,file=data/a.nii.gz::" in job.text


def test_fail_on_never_is_green_and_still_tells(project: Project) -> None:
    project.scan("data/a.nii.gz", BAD)
    job = Job(project, data="data", args=ARGS, fail_on="never", comment="never")
    assert job.run() == 0
    assert job.output("verdict") == "FAIL"
    assert not (project.report / "comment.md").exists()


def test_a_gate_that_cannot_run_is_red_even_with_fail_on_never(project: Project) -> None:
    job = Job(project, data="nothing-there", args=ARGS, fail_on="never")
    assert job.run() == 1
    assert job.output("verdict") == "ERROR"


def test_an_input_is_never_run_as_code(project: Project) -> None:
    project.scan("data/a.nii.gz")
    hostile = "gan@1.0; touch hacked $(touch hacked) `touch hacked`"
    Job(
        project, data="data", generator=hostile, args=ARGS + " ; touch hacked $(touch hacked)"
    ).run()
    assert not (project.root / "hacked").exists()


@pytest.mark.parametrize(("version", "wanted"), [("", str(ROOT)), ("1.2", "pytest-safegen==1.2")])
def test_install_takes_the_version_or_the_action_itself(
    tmp_path: Path, version: str, wanted: str
) -> None:
    fake = tmp_path / "python"
    fake.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    environment = {"SAFEGEN_VERSION": version, "GITHUB_ACTION_PATH": str(ROOT)}
    done = subprocess.run(
        ["bash", str(ROOT / "action" / "install.sh")],  # noqa: S607
        env=environment | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["-m", "pip", "install", "--quiet", wanted]


@pytest.mark.parametrize("path", [ROOT / "action.yml", *WORKFLOWS], ids=lambda path: path.name)
def test_no_run_step_holds_an_expression_that_others_can_fill(path: Path) -> None:
    text = yaml.safe_load(path.read_text("utf-8"))
    jobs = text.get("jobs", {}).values()
    steps = [s for job in jobs for s in job.get("steps", [])] or text["runs"]["steps"]
    assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []


def test_the_report_is_uploaded_before_the_step_that_fails() -> None:
    names = [step.get("name", "") for step in STEPS]
    assert names.index("Upload") < names.index("Decide") == len(names) - 1


def test_every_input_is_used() -> None:
    text = (ROOT / "action.yml").read_text("utf-8")
    assert [name for name in ACTION["inputs"] if f"inputs.{name}" not in text] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_gives_the_action_only_inputs_that_it_has(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text("utf-8"))["jobs"].values()
    steps = [step for job in jobs for step in job["steps"] if is_this_action(step)]
    assert [set(step["with"]) - set(ACTION["inputs"]) for step in steps] == [set()] * len(steps)


def test_the_workflow_of_the_example_uses_the_action() -> None:
    (job,) = yaml.safe_load(EXAMPLE.read_text("utf-8"))["jobs"].values()
    assert is_this_action(job["steps"][-1])


def is_this_action(step: dict[str, Any]) -> bool:
    """True for a step that uses the action of this repository."""
    return step.get("uses", "").partition("@")[0] in ("./", "pytest-safegen/pytest-safegen")
