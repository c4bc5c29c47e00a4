"""Runs as rows of the history and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pytest_safegen.core.codec import (
    decode_finding,
    decode_run,
    encode_finding,
    encode_run,
    finding_from_builtins,
    finding_to_builtins,
    parse_json,
    run_from_builtins,
    run_to_builtins,
)
from pytest_safegen.core.errors import SafegenError
from pytest_safegen.core.finding import Finding, Run


@dataclass(frozen=True, slots=True)
class Entry:
    """A run in the history, without its findings; `number` is its place in the store.

    `complete` is False where a part of the checks was asked for, or the numbers did not add up:
    such a run is no baseline.
    """

    number: int
    run: Run
    complete: bool
    tags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Generator and version, as `--safegen-generator` has them."""
        return model_name(self.run)


def model_name(run: Run) -> str:
    """NAME@VERSION, or what there is of it."""
    return "@".join(part for part in (run.generator, run.version) if part) or "unnamed"


def is_complete(run: Run) -> bool:
    """True if the run judged all that there was to judge."""
    steps = [run.counts.get(step) for step in ("discovered", "collected", "judged", "reported")]
    return steps[0] is not None and len(set(steps)) == 1 and bool(run.findings)


def row_of(run: Run) -> dict[str, Any]:
    """The row of a run."""
    return {
        "id": run.id,
        "created": run.created,
        "generator": _clean(run.generator),
        "version": _clean(run.version),
        "verdict": str(run.verdict),
        "complete": is_complete(run),
        "body": encode_run(run),
    }


def finding_rows(run: Run, number: int) -> list[dict[str, Any]]:
    """The rows of its findings."""
    return [_finding_row(finding, number, place) for place, finding in enumerate(run.findings)]


def run_of(body: str, findings: Sequence[str] = ()) -> Run:
    """The run that a row holds, with the findings of these rows."""
    return decode_run(body, map(decode_finding, findings))


def encode_line(run: Run, tags: Sequence[str]) -> str:
    """A run as one line of an exported history."""
    findings = [finding_to_builtins(finding) for finding in run.findings]
    plain = {"run": run_to_builtins(run), "tags": sorted(tags), "findings": findings}
    return json.dumps(plain, allow_nan=False)


def decode_line(line: str, *, source: str) -> tuple[Run, tuple[str, ...]]:
    """The run and the tags of such a line; `source` is what a message calls the line.

    Raises:
        SafegenError: a line that is no run of an exported history.
    """
    plain = parse_json(line, source)
    lists = isinstance(plain, dict) and all(
        isinstance(plain.get(name), list) for name in ("tags", "findings")
    )
    if not lists or "run" not in plain:
        raise SafegenError(f"{source} is not a run of an exported history.")
    findings = [finding_from_builtins(each, source=source) for each in plain["findings"]]
    return run_from_builtins(plain["run"], findings, source=source), tuple(map(str, plain["tags"]))


def _finding_row(finding: Finding, number: int, place: int) -> dict[str, Any]:
    return {
        "run": number,
        "place": place,
        "check_name": _clean(finding.check),
        "target": _clean(finding.target),
        "verdict": str(finding.verdict),
        "score": finding.score,
        "body": encode_finding(finding),
    }


def _clean(value: str | None) -> str | None:
    """Text that a database takes: file names can be any bytes."""
    if value is None:
        return None
    return value.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
