"""gate.json is the contract: its schema, and `safegen gate verify` against the data."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import SimpleITK as sitk
from gate_project import BAD, Project

from pytest_safegen.cli.main import main
from pytest_safegen.results.gate_json import gate_schema

pytestmark = pytest.mark.slow

CHECKS = "brightness,population"


@pytest.fixture
def judged(project: Project) -> Project:
    """Two good scans, judged."""
    project.scans("data/a.nii.gz", "data/b.nii.gz")
    project.gate(checks=CHECKS)
    return project


def verify(project: Project, *more: str) -> int:
    """The exit code of `safegen gate verify`."""
    return main(["gate", "verify", str(project.report / "gate.json"), *more])


def data(project: Project) -> str:
    return f"--data={project.root / 'data'}"


def test_a_gate_json_is_as_the_schema_says(judged: Project) -> None:
    judged.gate("--safegen-baseline=latest", checks=CHECKS)
    jsonschema.validate(dict(judged.gate_json()), gate_schema())


def test_the_data_that_was_judged_is_let_through(judged: Project) -> None:
    assert verify(judged, data(judged)) == 0


def test_data_that_was_moved_is_the_same(judged: Project) -> None:
    (judged.root / "data").rename(judged.root / "moved")
    assert verify(judged, f"--data={judged.root / 'moved'}") == 0


@pytest.mark.parametrize("change", ["another voxel", "one more", "one less", "another name"])
def test_other_data_is_not(judged: Project, change: str, capsys: pytest.CaptureFixture) -> None:
    folder = judged.root / "data"
    match change:
        case "another voxel":
            judged.scan("data/a.nii.gz", 0.6)
        case "one more":
            judged.scan("data/c.nii.gz")
        case "one less":
            (folder / "a.nii.gz").unlink()
        case "another name":
            (folder / "a.nii.gz").rename(folder / "z.nii.gz")
    assert verify(judged, data(judged)) == 1
    assert "WRONG\tdata" in capsys.readouterr().err


def test_voxels_beside_their_header_belong_to_the_data(project: Project) -> None:
    nifti = project.scan("data/a.nii.gz")
    voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(nifti)))
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(nifti.with_name("b.mhd")))
    nifti.unlink()
    project.gate(checks=CHECKS)
    assert verify(project, data(project)) == 0
    raw = nifti.with_name("b.raw")
    raw.write_bytes(bytes(raw.stat().st_size))
    assert verify(project, data(project)) == 1


def test_a_failed_gate_is_not_let_through(judged: Project) -> None:
    judged.scan("data/a.nii.gz", BAD)
    judged.gate(checks=CHECKS)
    assert verify(judged, data(judged)) == 1


def test_a_gate_that_only_records_lets_nothing_through(judged: Project) -> None:
    judged.gate("--safegen-mode=record", checks=CHECKS)
    assert verify(judged, data(judged)) == 1


def test_findings_that_were_edited_are_noticed(judged: Project) -> None:
    results = judged.report / "results.jsonl"
    results.write_text(results.read_text("utf-8").replace("0.5", "0.4"), encoding="utf-8")
    assert verify(judged, data(judged)) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 99}'])
def test_what_is_no_gate_json_is_wrong_use(judged: Project, text: str) -> None:
    (judged.report / "gate.json").write_text(text)
    assert verify(judged, data(judged)) == 4


def test_without_data_nothing_is_verified(judged: Project) -> None:
    assert verify(judged) == 4


def test_the_same_release_gives_the_same_findings_byte_for_byte(judged: Project) -> None:
    first = without_timings(judged.report)
    digest = judged.gate_json()["digests"]
    judged.gate(checks=CHECKS)
    assert without_timings(judged.report) == first
    assert judged.gate_json()["digests"] == digest


def without_timings(report: Path) -> bytes:
    lines = (report / "results.jsonl").read_text("utf-8").splitlines()
    plain = [json.loads(line) | {"seconds": 0} for line in lines]
    return "\n".join(map(json.dumps, plain)).encode()
