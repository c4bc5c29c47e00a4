"""gate.json: what release automation needs of a run, and whether it belongs to this data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, convert, to_builtins

from pytest_safegen.core.atomic_io import write_json, write_text
from pytest_safegen.core.codec import (
    encode_run,
    finding_to_builtins,
    parse_json,
    record_from_builtins,
)
from pytest_safegen.core.errors import SafegenError, UsageProblem
from pytest_safegen.core.finding import Finding, Run, Verdict
from pytest_safegen.core.records import SCHEMA, Mode, Record, json_schema
from pytest_safegen.results.files import GATE_FILE, RESULTS_FILE, RUN_FILE, read_findings

TIMINGS = ("seconds",)


class NewFailureRecord(Record, frozen=True):
    """A scan or series whose verdict went from passing to blocking."""

    check: str
    target: str
    before: str
    after: str


class BaselineRecord(Record, frozen=True):
    """The run that was compared with."""

    run: str
    generator: str | None
    version: str | None
    created: str
    data_digest: str


class RegressionRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The comparison with the baseline; only `outcome` where there was none to make."""

    outcome: Literal["passed", "regressed", "incomparable", "first run", "not asked for"]
    baseline: BaselineRecord | UnsetType = UNSET
    rules: list[str] | UnsetType = UNSET
    reasons: Annotated[
        list[str] | UnsetType, Meta(description="why the runs cannot be compared")
    ] = UNSET
    paired: Annotated[
        bool | UnsetType, Meta(description="whether the same scans are in both runs")
    ] = UNSET
    shared: Annotated[int | UnsetType, Meta(description="scans and series in both runs")] = UNSET
    regressions: list[str] | UnsetType = UNSET
    improvements: list[str] | UnsetType = UNSET
    new_failures: list[NewFailureRecord] | UnsetType = UNSET


class DigestsRecord(Record, frozen=True):
    """What the verdict is bound to."""

    data: Annotated[str, Meta(description="BLAKE2b over names and contents of all scans")]
    findings: Annotated[
        str, Meta(description="SHA-256 over results.jsonl without timings, lines sorted")
    ]
    config: str
    profile: str | None


class GateRecord(Record, frozen=True):
    """The verdict on a release, for release automation."""

    schema: Literal[1]
    verdict: Annotated[Verdict, Meta(description="PASS, WARN and WAIVED let a release through")]
    reasons: tuple[str, ...]
    mode: Annotated[Mode, Meta(description="only enforce blocks")]
    counts: dict[str, int]
    verdicts: Annotated[dict[str, int], Meta(description="findings per verdict")]
    regression: RegressionRecord
    generator: str | None
    version: str | None
    commit: str | None
    dirty: Annotated[bool | None, Meta(description="files of the commit were changed")]
    created: str
    digests: DigestsRecord
    config_digest: str
    profile_digests: dict[str, str]
    run: str


@dataclass(frozen=True, slots=True)
class Check:
    """One claim of gate.json, and whether it holds; None: there was nothing to compare it with."""

    what: str
    holds: bool | None
    message: str = ""


def gate_schema() -> dict[str, Any]:
    """The JSON Schema of gate.json."""
    return json_schema(GateRecord, title="gate.json: the verdict on a release, for its automation")


def gate_of(run: Run) -> GateRecord:
    """The contents of gate.json."""
    verdicts = [finding.verdict for finding in run.findings]
    regression = dict(run.regression) or {"outcome": "not asked for"}
    return GateRecord(
        schema=SCHEMA,
        verdict=run.verdict,
        reasons=run.reasons,
        mode=run.mode,  # type: ignore[arg-type]  # of the settings, which know these three
        counts=dict(run.counts),
        verdicts={str(verdict): verdicts.count(verdict) for verdict in Verdict},
        regression=convert(regression, RegressionRecord),
        generator=run.generator,
        version=run.version,
        commit=run.commit,
        dirty=run.dirty,
        created=run.created,
        digests=DigestsRecord(
            run.data_digest,
            findings_digest(run.findings),
            run.config_digest,
            run.profile_digests.get("profile"),
        ),
        config_digest=run.config_digest,
        profile_digests=dict(run.profile_digests),
        run=run.id,
    )


def findings_digest(findings: Sequence[Finding]) -> str:
    """The digest of what was found, whatever the order and however long it took."""
    lines = sorted(map(_line, findings))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _line(finding: Finding) -> str:
    known = finding_to_builtins(finding)
    return json.dumps({k: v for k, v in known.items() if k not in TIMINGS}, sort_keys=True)


def save_gate(run: Run, folder: Path) -> None:
    """Write gate.json."""
    write_json(folder / GATE_FILE, to_builtins(gate_of(run)))


def save_run(run: Run, folder: Path) -> None:
    """Write results.json, the run without its findings, and gate.json, what a release job needs."""
    write_text(folder / RUN_FILE, encode_run(run, indent=2) + "\n")
    save_gate(run, folder)


def read_gate(path: Path) -> GateRecord:
    """What a gate.json holds.

    Raises:
        UsageProblem: not there, no JSON, or of another schema.
    """
    try:
        value = parse_json(path.read_bytes(), str(path))
        return record_from_builtins(value, GateRecord, "a gate.json of this version", str(path))
    except OSError as problem:
        raise UsageProblem(f"{path} cannot be read: {problem.strerror}.") from problem
    except SafegenError as problem:
        raise UsageProblem(str(problem)) from problem


def verify_gate(
    gate: GateRecord, folder: Path, *, data: str | None, profile: str | None
) -> Iterator[Check]:
    """Whether a gate.json lets a release through, and belongs to what lies here.

    `folder` holds its results; `data` and `profile` are digests of what is to be released, None
    where they were not given.
    """
    passed = not gate.verdict.blocks and gate.mode == "enforce"
    yield Check("verdict", passed, f"{gate.verdict} in mode {gate.mode}")
    yield _same("data", gate.digests.data, data)
    yield _same("profile", gate.digests.profile, profile)
    exists = (folder / RESULTS_FILE).is_file()
    found = findings_digest(list(read_findings(folder))) if exists else None
    yield _same("findings", gate.digests.findings, found)


def _same(what: str, expected: str | None, found: str | None) -> Check:
    if found is None:
        return Check(what, None, "not compared: it was not given")
    if not expected:
        return Check(what, False, f"gate.json names none, and here is {found}")
    return Check(what, expected == found, f"gate.json names {expected}, here is {found}")
