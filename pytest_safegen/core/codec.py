"""Findings and runs as JSON text and back; the text is ASCII, on one line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from msgspec import Struct, ValidationError, convert, to_builtins

from pytest_safegen.core.errors import SafegenError
from pytest_safegen.core.finding import Breach, Finding, Run, Verdict
from pytest_safegen.core.records import (
    SCHEMA,
    BreachRecord,
    FindingRecord,
    MeasureRecord,
    RunRecord,
    json_schema,
)
from pytest_safegen.core.score import Measure

RecordType = TypeVar("RecordType", bound=Struct)


def encode_finding(finding: Finding) -> str:
    """A finding as a line of results.jsonl, without the end of the line.

    Raises:
        ValueError: a number that JSON has no form for (NaN, infinity).
    """
    return json.dumps(finding_to_builtins(finding), allow_nan=False)


def decode_finding(text: str | bytes, *, source: str = "The text") -> Finding:
    """The finding of a line of results.jsonl; `source` is what a message calls the line.

    Raises:
        SafegenError: the line is damaged, of another schema, or not a finding.
    """
    record = record_from_builtins(parse_json(text, source), FindingRecord, "a finding", source)
    return _finding_of(record)


def encode_run(run: Run, *, indent: int | None = None) -> str:
    """A run as results.json holds it: without its findings, which results.jsonl holds."""
    return json.dumps(run_to_builtins(run), allow_nan=False, indent=indent)


def decode_run(text: str | bytes, findings: Iterable[Finding], *, source: str = "The text") -> Run:
    """The run of such a text, with these findings.

    Raises:
        SafegenError: the text is damaged, of another schema, or not a run.
    """
    return run_from_builtins(parse_json(text, source), findings, source=source)


def finding_to_builtins(finding: Finding) -> dict[str, Any]:
    """A finding as dicts, lists, texts and plain numbers."""
    found: dict[str, Any] = to_builtins(_record_of(finding))
    return found


def finding_from_builtins(value: Any, *, source: str = "The value") -> Finding:
    """The finding of such a dict; raises SafegenError as `decode_finding` does."""
    return _finding_of(record_from_builtins(value, FindingRecord, "a finding", source))


def run_to_builtins(run: Run) -> dict[str, Any]:
    """A run without its findings as dicts, lists, texts and plain numbers."""
    values = {name: getattr(run, name) for name in RunRecord.__struct_fields__}
    found: dict[str, Any] = to_builtins(RunRecord(**values))
    return found


def run_from_builtins(value: Any, findings: Iterable[Finding], *, source: str = "The value") -> Run:
    """The run of such a dict; raises SafegenError as `decode_run` does."""
    record = record_from_builtins(value, RunRecord, "a run", source)
    values = {name: getattr(record, name) for name in RunRecord.__struct_fields__}
    return Run(findings=tuple(findings), **values)


def finding_schema() -> dict[str, Any]:
    """The JSON Schema of a line of results.jsonl."""
    title = "One line of results.jsonl: the gate's finding on one check of one target"
    return json_schema(FindingRecord, title=title)


def run_schema() -> dict[str, Any]:
    """The JSON Schema of results.json."""
    return json_schema(RunRecord, title="results.json: one run of the gate, without its findings")


def parse_json(text: str | bytes, source: str) -> Any:
    """What a JSON text holds; raises SafegenError where it is damaged, or holds NaN."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError as problem:
        raise SafegenError(f"{source} is not JSON.") from problem


def record_from_builtins(
    value: Any, record: type[RecordType], what: str, source: str
) -> RecordType:
    """The record that a JSON value holds; `what` and `source` name both in messages.

    Raises:
        SafegenError: a value of another schema, or with a field too many, too few or of the
            wrong type.
    """
    known = value.get("schema", SCHEMA) if isinstance(value, Mapping) else SCHEMA
    if known != SCHEMA:
        raise SafegenError(f"{source} has schema {known!r}; this version reads schema {SCHEMA}.")
    try:
        return convert(value, record)
    except ValidationError as problem:
        raise SafegenError(f"{source} is not {what}: {problem}.") from problem


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _record_of(finding: Finding) -> FindingRecord:
    values = {name: getattr(finding, name) for name in FindingRecord.__struct_fields__[1:]}
    numbers = {name: _float(values[name]) for name in ("score", "threshold", "p_value", "seconds")}
    # A stranger's detector may give numpy's texts, or a number for a patient.
    measures = {
        str(m.name): MeasureRecord(float(m.value), str(m.unit or "")) for m in finding.measures
    }
    texts = {"nearest": None if finding.nearest is None else str(finding.nearest)}
    breaches = [_breach_record(breach) for breach in finding.breaches]
    fields = values | numbers | texts | {"measures": measures, "breaches": breaches}
    return FindingRecord(schema=SCHEMA, **fields)


def _breach_record(breach: Breach) -> BreachRecord:
    values = {name: getattr(breach, name) for name in BreachRecord.__struct_fields__}
    numbers = {"value": float(breach.value), "limit": float(breach.limit)}
    texts = {"measure": str(breach.measure), "unit": str(breach.unit or "")}
    return BreachRecord(**(values | numbers | texts))


def _finding_of(record: FindingRecord) -> Finding:
    values = {name: getattr(record, name) for name in FindingRecord.__struct_fields__[1:]}
    values["measures"] = tuple(
        Measure(name, m.value, m.unit) for name, m in record.measures.items()
    )
    values["breaches"] = tuple(map(_breach_of, record.breaches))
    return Finding(**values)


def _breach_of(record: BreachRecord) -> Breach:
    values = {name: getattr(record, name) for name in BreachRecord.__struct_fields__}
    return Breach(**{**values, "verdict": Verdict(record.verdict)})


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)
