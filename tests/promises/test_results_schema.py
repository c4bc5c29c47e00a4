"""The published JSON Schemas describe the lines of results.jsonl, results.json and gate.json."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_safegen import Calibration, Finding, Measure, MeasureLimits, Run, Verdict
from pytest_safegen.cli.main import main
from pytest_safegen.core.codec import finding_schema, finding_to_builtins, run_schema
from pytest_safegen.results.gate_json import gate_schema, save_run

SCHEMA = finding_schema()
FULL = Finding(
    "anomaly",
    "sub-01/sub-01_T1w.nii.gz",
    Verdict.FAIL,
    "Too bright.",
    score=2.0,
    threshold=1.0,
    p_value=0.01,
    measures=(Measure("mean", 0.5, "a.u."),),
    heatmap="heatmaps/one.nii.gz",
    layers={"grad-cam": "heatmaps/one.grad-cam.nii.gz"},
    nearest="sub-99",
    seconds=0.1,
)


def valid(line: dict[str, Any]) -> bool:
    """True if a line is as the schema says."""
    validator = jsonschema.validators.validator_for(SCHEMA)(SCHEMA)
    return bool(validator.is_valid(json.loads(json.dumps(line))))


def test_a_full_finding_is_valid() -> None:
    assert valid(finding_to_builtins(FULL))


@pytest.mark.parametrize("verdict", Verdict)
def test_a_finding_with_nothing_but_a_reason_is_valid(verdict: Verdict) -> None:
    assert valid(finding_to_builtins(Finding("anomaly", "", verdict, "Why.")))


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Finding)])
def test_a_line_without_one_of_the_fields_is_invalid(field: str) -> None:
    line = finding_to_builtins(FULL)
    del line[field]
    assert not valid(line)


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "GOOD"},
        {"score": "high"},
        {"schema": 99},
        {"measures": []},
        {"layers": {"a": 1}},
        {"more": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_line_that_says_something_else_is_invalid(change: dict[str, Any]) -> None:
    assert not valid(finding_to_builtins(FULL) | change)


def test_the_schema_names_the_fields_of_a_finding() -> None:
    fields = {"schema", *(field.name for field in dataclasses.fields(Finding))}
    assert set(SCHEMA["properties"]) == fields


RUN = run_schema()
JUDGED = Run(
    id="run-1",
    created="2026-01-05T09:31:00+00:00",
    verdict=Verdict.FAIL,
    reasons=("1 FAIL",),
    roots=("data",),
    mode="enforce",
    findings=(FULL,),
    counts={"scans": 1, "discovered": 1},
    calibrations={"anomaly": {"": Calibration((0.1,), "one", 1.0)}},
    limits={"anomaly": {"": {"score": MeasureLimits(fail_above=1.0, source="one")}}},
    checks={"anomaly": "scan"},
    directions={"anomaly": {"score": "higher"}},
)


def written(folder: Path) -> dict[str, Any]:
    """What results.json holds of a run."""
    save_run(JUDGED, folder)
    found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return found


def test_a_written_run_is_valid(tmp_path: Path) -> None:
    jsonschema.validate(written(tmp_path), RUN)


RUN_FIELDS = [field.name for field in dataclasses.fields(Run) if field.name != "findings"]


@pytest.mark.parametrize("field", RUN_FIELDS)
def test_a_run_without_one_of_its_fields_is_invalid(tmp_path: Path, field: str) -> None:
    plain = written(tmp_path)
    del plain[field]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain, RUN)


def test_the_schema_of_a_run_names_what_a_run_has() -> None:
    assert set(RUN["properties"]) == set(RUN_FIELDS)


def test_a_written_gate_json_is_valid(tmp_path: Path) -> None:
    save_run(JUDGED, tmp_path)
    plain = json.loads((tmp_path / "gate.json").read_text(encoding="utf-8"))
    jsonschema.validate(plain, gate_schema())


@pytest.mark.parametrize(
    ("option", "schema"), [((), SCHEMA), (("--run",), RUN), (("--gate",), gate_schema())]
)
def test_the_command_prints_the_schema(
    option: tuple[str, ...], schema: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["schema", *option])
    assert json.loads(capsys.readouterr().out) == schema


@pytest.mark.parametrize("schema", [SCHEMA, RUN, gate_schema()], ids=lambda s: s["title"][:12])
def test_a_schema_has_a_title_and_a_dialect(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"]
    assert schema["$schema"].endswith("2020-12/schema")
