"""--safegen-explain."""

from __future__ import annotations

import json

import pytest
from gate_project import BAD, STAND_INS, Project

pytestmark = pytest.mark.slow

EXPLAINS = """
from pytest_safegen import Heatmap


class Explaining(ScoreEach):
    def explain(self, target, score):
        return [Heatmap(target.scan.voxels, target.scan.affine, "the voxels", name="grad-cam")]


StandIn.open = lambda self, profile, *, device: Explaining(self._measure)
"""


@pytest.fixture
def explaining(project: Project) -> Project:
    """One good scan and one that fails, and a check that explains itself."""
    project.pytester.makeconftest(STAND_INS + EXPLAINS)
    project.scan("data/a.nii.gz")
    project.scan("data/b.nii.gz", BAD)
    return project


def explained(project: Project) -> set[str]:
    """The scans whose finding has a layer that is there."""
    lines = (project.report / "results.jsonl").read_text(encoding="utf-8").splitlines()
    findings = [json.loads(line) for line in lines]
    return {
        finding["target"]
        for finding in findings
        if "grad-cam" in finding["layers"]
        and (project.report / finding["layers"]["grad-cam"]).is_file()
    }


@pytest.mark.parametrize(
    ("arguments", "scans"),
    [
        ((), {"b.nii.gz"}),
        (("--safegen-explain=failed",), {"b.nii.gz"}),
        (("--safegen-explain=all",), {"a.nii.gz", "b.nii.gz"}),
        (("--safegen-explain=none",), set()),
        (("-n2",), {"b.nii.gz"}),
    ],
)
def test_scans_are_explained_as_asked(
    explaining: Project, arguments: tuple[str, ...], scans: set[str]
) -> None:
    explaining.gate(*arguments)
    assert explained(explaining) == scans


def test_junit_names_the_layers(explaining: Project) -> None:
    explaining.gate("--junitxml=junit.xml")
    assert "safegen.layers.grad-cam" in (explaining.root / "junit.xml").read_text(encoding="utf-8")
