"""Findings and runs as JSON and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytest_safegen.core.errors import SafegenError
from pytest_safegen.core.finding import Breach, Finding, Run, Verdict
from pytest_safegen.core.score import Measure

SCHEMA = 1

SCHEMA_FILE = Path(__file__).with_name("results.schema.json")

RUN_SCHEMA_FILE = Path(__file__).with_name("run.schema.json")

NUMBERS = ("score", "threshold", "p_value", "seconds")


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """A finding as the object that stands on one line of results.jsonl."""
    plain = dataclasses.asdict(finding)
    plain["measures"] = {
        m.name: {"value": float(m.value), "unit": m.unit} for m in finding.measures
    }
    plain["breaches"] = [{**one, "verdict": str(one["verdict"])} for one in plain["breaches"]]
    return {"schema": SCHEMA, **plain, "verdict": str(finding.verdict)}


def finding_from_json(plain: Mapping[str, Any]) -> Finding:
    """The finding of one line of results.jsonl.

    Raises:
        SafegenError: a line of another schema, or not a finding at all.
    """
    try:
        if plain["schema"] != SCHEMA:
            raise SafegenError(f"Results of schema {plain['schema']!r} cannot be read by this one.")
        names = [field.name for field in dataclasses.fields(Finding)]
        values = {name: plain[name] for name in names}
        measures = values["measures"].items()
        values["measures"] = tuple(Measure(n, _number(m["value"]), m["unit"]) for n, m in measures)
        values["layers"] = {name: _text(path) for name, path in values["layers"].items()}
        values["verdict"] = Verdict(plain["verdict"])
        values["breaches"] = tuple(map(_breach, plain["breaches"]))
        values |= {name: _number(values[name]) for name in NUMBERS if values[name] is not None}
        return Finding(**values)
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise SafegenError(f"A line of the results is not a finding: {problem!r}.") from problem


def run_to_json(run: Run) -> dict[str, Any]:
    """A run as the object of results.json, without its findings."""
    plain = dataclasses.asdict(dataclasses.replace(run, findings=()))
    return {key: value for key, value in plain.items() if key != "findings"}


def run_from_json(plain: Mapping[str, Any], findings: Iterable[Finding]) -> Run:
    """The run of such an object, with these findings.

    Raises:
        SafegenError: a run of another schema.
        ValueError, KeyError, TypeError: no run at all.
    """
    if plain["schema"] != SCHEMA:
        raise SafegenError(f"A run of schema {plain['schema']!r} cannot be read by this one.")
    values = dict(plain) | {"findings": tuple(findings), "verdict": Verdict(plain["verdict"])}
    values["reasons"], values["roots"] = tuple(plain["reasons"]), tuple(plain["roots"])
    return Run(**values)


def _breach(plain: Mapping[str, Any]) -> Breach:
    numbers = {name: _number(plain[name]) for name in ("value", "limit")}
    return Breach(**{**plain, **numbers, "verdict": Verdict(plain["verdict"])})


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value
