"""gate.json: what release automation needs of a run, and whether it speaks of this data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_safegen.core.atomic_io import write_json
from pytest_safegen.core.codec import finding_from_json, finding_to_json, run_to_json
from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.core.finding import Finding, Run, Verdict
from pytest_safegen.results.files import GATE_FILE, RESULTS_FILE, RUN_FILE, read_findings

SCHEMA = 1
SCHEMA_FILE = Path(__file__).with_name("gate.schema.json")
REQUIRED = ("schema", "verdict", "reasons", "mode", "counts", "verdicts", "regression", "digests")
TIMINGS = ("seconds",)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that gate.json says, and whether it was found to be so; None: not looked at."""

    what: str
    holds: bool | None
    message: str = ""


def gate_of(run: Run) -> dict[str, Any]:
    """The contents of gate.json."""
    verdicts = [finding.verdict for finding in run.findings]
    return {
        "schema": SCHEMA,
        "verdict": str(run.verdict),
        "reasons": list(run.reasons),
        "mode": run.mode,
        "counts": dict(run.counts),
        "verdicts": {str(verdict): verdicts.count(verdict) for verdict in Verdict},
        "regression": dict(run.regression) or {"outcome": "not asked for"},
        "generator": run.generator,
        "version": run.version,
        "commit": run.commit,
        "dirty": run.dirty,
        "created": run.created,
        "digests": {
            "data": run.data_digest,
            "findings": findings_digest(run.findings),
            "config": run.config_digest,
            "profile": run.profile_digests.get("profile"),
        },
        "config_digest": run.config_digest,
        "profile_digests": dict(run.profile_digests),
        "run": run.id,
    }


def findings_digest(findings: Sequence[Finding]) -> str:
    """The digest of what was found, whatever the order and however long it took."""
    lines = sorted(map(_line, findings))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _line(finding: Finding) -> str:
    """The finding as it is read from results.jsonl: 100 is 100.0 there."""
    read = finding_to_json(finding_from_json(finding_to_json(finding)))
    return json.dumps({k: v for k, v in read.items() if k not in TIMINGS}, sort_keys=True)


def save_gate(run: Run, folder: Path) -> None:
    """Write gate.json."""
    write_json(folder / GATE_FILE, gate_of(run))


def save_run(run: Run, folder: Path) -> None:
    """Write results.json, everything of the run, and gate.json, what a release job needs."""
    findings = [finding_to_json(finding) for finding in run.findings]
    write_json(folder / RUN_FILE, run_to_json(run) | {"findings": findings})
    save_gate(run, folder)


def read_gate(path: Path) -> dict[str, Any]:
    """What a gate.json holds.

    Raises:
        UsageProblem: not there, no JSON, or of another schema.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except OSError as problem:
        raise UsageProblem(f"{path} cannot be read: {problem.strerror}.") from problem
    except ValueError as problem:
        raise UsageProblem(f"{path} is not JSON: {problem}.") from problem
    missing = [key for key in REQUIRED if not isinstance(found, dict) or key not in found]
    if missing:
        raise UsageProblem(f"{path} is no gate.json of this version: it has no {missing[0]!r}.")
    if found["schema"] != SCHEMA:
        raise UsageProblem(f"{path} has schema {found['schema']!r}, this version reads {SCHEMA}.")
    if found["verdict"] not in list(Verdict) or not isinstance(found["digests"], dict):
        raise UsageProblem(f"{path} is no gate.json: its verdict is {found['verdict']!r}.")
    return found


def verify_gate(
    gate: Mapping[str, Any], folder: Path, *, data: str | None, profile: str | None
) -> Iterator[Check]:
    """Whether a gate.json lets a release through, and speaks of what lies here.

    `folder` holds its results; `data` and `profile` are digests of what is to be released, None
    where they were not given.
    """
    verdict, mode = Verdict(gate["verdict"]), gate["mode"]
    through = not verdict.blocks and mode == "enforce"
    yield Check("verdict", through, f"{verdict} in mode {mode}")
    digests = gate["digests"]
    yield _same("data", digests.get("data"), data)
    yield _same("profile", digests.get("profile"), profile)
    there = (folder / RESULTS_FILE).is_file()
    found = findings_digest(list(read_findings(folder))) if there else None
    yield _same("findings", digests.get("findings"), found)


def _same(what: str, promised: object, found: str | None) -> Check:
    if found is None:
        return Check(what, None, "not compared: it was not given")
    if not promised:
        return Check(what, False, f"gate.json names none, and here is {found}")
    return Check(what, promised == found, f"gate.json names {promised}, here is {found}")
