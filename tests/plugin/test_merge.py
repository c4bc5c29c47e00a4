"""`safegen report --merge`: parts of a release that were judged apart, as one report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gate_project import BAD, Project

from pytest_safegen.cli.main import main

pytestmark = pytest.mark.slow


@pytest.fixture
def parts(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two scans that were judged in two runs, the second with the check of the whole."""
    monkeypatch.chdir(project.root)
    project.scan("data/a.nii.gz")
    project.scan("data/b.nii.gz", BAD)
    checks = "brightness,population"
    project.gate("data/a.nii.gz", "--safegen-report=one", checks=checks)
    second = ("data/b.nii.gz", "safegen-gate::population")
    project.gate(*second, "--safegen-report=two", checks=checks)
    return project


def _gate(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "gate.json").read_text(encoding="utf-8"))
    return found


def test_both_parts_are_the_whole_release(parts: Project) -> None:
    assert _gate(parts.root / "one")["verdict"] == "INCONCLUSIVE"
    assert main(["report", "all", "--merge", "one", "two"]) == 0
    found = _gate(parts.root / "all")
    assert found["verdict"] == "FAIL"
    assert found["reasons"] == ["1 FAIL (brightness 1)"]
    assert (parts.root / "all" / "index.html").is_file()


def test_one_part_is_not_the_whole_release(parts: Project) -> None:
    assert main(["report", "all", "--merge", "one"]) == 0
    assert _gate(parts.root / "all")["verdict"] == "ERROR"


def test_a_folder_that_is_not_empty_is_left_alone(parts: Project, capsys) -> None:
    assert main(["report", "one", "--merge", "two"]) == 4
    assert "is not empty" in capsys.readouterr().err
