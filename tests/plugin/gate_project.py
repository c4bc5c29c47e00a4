"""A project with tiny scans and three stand-in checks, on which one pytest run costs little.

The highest voxel of a scan decides: above 1 it fails `brightness`; the constants below name the
voxels that make the stand-in misbehave.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

GOOD, BAD = 0.5, 2.0
NOT_A_NUMBER, CRASH, KILL, INTERRUPT = 97.0, 96.0, 99.0, 98.0
CHECKS = "brightness,growth,population"

STAND_INS = """
import os
import pytest_safegen
from pytest_safegen import Fitted, Measure, Rule, Scope, Score, ScoreEach


class StandIn:
    version = "1"
    needs_profile = False

    def __init__(self, name, scope, measure, limit=1.0):
        self.name, self.scope, self._measure = name, scope, measure
        self.rules = {"score": Rule(fail_above=limit)}

    def fit(self, reference, *, seed):
        return Fitted()

    def open(self, profile, *, device):
        return ScoreEach(self._measure)


class Likeness:
    name = "likeness"
    version = "1"
    scope = Scope.SCAN
    needs_profile = True
    rules = {"score": Rule(false_alarm_rate=0.05)}

    def fit(self, reference, *, seed):
        means = [float(target.prepared.voxels.mean()) for target in reference]
        return Fitted(facts={"mean": sum(means) / len(means)})

    def open(self, profile, *, device):
        mean = profile.facts["mean"]
        return ScoreEach(lambda target: Score(abs(float(target.prepared.voxels.mean()) - mean)))


def brightness(target):
    value = float(target.scan.voxels.max())
    if value == 99:
        os._exit(3)
    if value == 98:
        raise KeyboardInterrupt
    if value == 97:
        value = float("nan")
    if value == 96:
        raise RuntimeError("the stand-in crashed on purpose")
    return Score(value, (Measure("mean", value / 2, "a.u."),), message="too bright")


def growth(target):
    tops = [float(scan.scan.voxels.max()) for scan in target.scans]
    return Score(max(tops) - min(tops), message="it grew")


def population(target):
    return Score(float(len(target.rows)), message="too many scans")


@pytest_safegen.hookimpl
def safegen_detectors(settings):
    options = settings.detectors.get("population", {})
    return [
        StandIn("brightness", Scope.SCAN, brightness),
        Likeness(),
        StandIn("growth", Scope.SERIES, growth),
        StandIn("population", Scope.RELEASE, population, options.get("limit", 100)),
    ]
"""


class Project:
    """A pytest project in an empty folder; `gate` runs pytest there over its scans."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.root = pytester.path
        self.report = self.root / "safegen-report"
        pytester.makeconftest(STAND_INS)
        self.makeini()

    def makeini(self, *lines: str) -> None:
        """Write the ini file, with more lines."""
        own = "[pytest]\naddopts = -p no:randomly -p no:hypothesispytest"
        self.pytester.makeini("\n".join([own, *lines]))

    def scan(self, path: str, value: float = GOOD) -> Path:
        """Write a scan of 4 x 4 x 4 voxels, one of which has that value."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        voxels = np.zeros((4, 4, 4), np.float32)
        voxels[2, 2, 2] = value
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), file)
        return file

    def scans(self, *paths: str, value: float = GOOD) -> None:
        """Write several scans alike."""
        for path in paths:
            self.scan(path, value)

    def write(self, path: str, text: str) -> Path:
        """Write a text file."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def gate(
        self, *arguments: str | Path, data: str | None = "data", checks: str | None = CHECKS
    ) -> pytest.RunResult:
        """Run pytest with the gate over a folder."""
        own = [f"--safegen-data={data}"] if data else []
        own += [f"--safegen-checks={checks}"] if checks else []
        return self.run(*own, *arguments)

    def run(self, *arguments: str | Path) -> pytest.RunResult:
        """Run pytest in this process."""
        return self.pytester.runpytest_inprocess("--safegen-device=cpu", *arguments)

    def findings(self) -> list[dict[str, Any]]:
        """The lines of results.jsonl."""
        lines = (self.report / "results.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def verdicts(self) -> dict[tuple[str, str], str]:
        """The verdict of each (check, target)."""
        return {(line["check"], line["target"]): line["verdict"] for line in self.findings()}

    def reason(self, check: str, target: str = "") -> str:
        """The reason that results.jsonl gives for one finding."""
        found = [f for f in self.findings() if (f["check"], f["target"]) == (check, target)]
        (finding,) = found
        return str(finding["reason"])

    def gate_json(self) -> Mapping[str, Any]:
        """The contents of gate.json."""
        found: Mapping[str, Any] = json.loads((self.report / "gate.json").read_text("utf-8"))
        return found


def outcomes(result: pytest.RunResult) -> dict[str, int]:
    """How many passed, failed and so on; release verdicts and the accounting included."""
    counts: dict[str, int] = result.parseoutcomes()
    return counts


def collected(result: pytest.RunResult) -> list[str]:
    """The node ids that `--collect-only -q` printed."""
    return [line for line in result.outlines if "::" in line]
