"""The files of a report folder: results.jsonl as findings come, results.json at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pytest_safegen.core.codec import finding_from_json, finding_to_json, run_from_json
from pytest_safegen.core.errors import SafegenError
from pytest_safegen.core.finding import Finding, Run

RESULTS_FILE, ROWS_FILE, RUN_FILE, GATE_FILE = (
    "results.jsonl",
    "scans.jsonl",
    "results.json",
    "gate.json",
)


class ResultLog:
    """Appends findings and rows of the table of scans, each on disk as soon as it is known."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._findings: IO[str] = (folder / RESULTS_FILE).open("w", encoding="utf-8")
        self._rows: IO[str] = (folder / ROWS_FILE).open("w", encoding="utf-8")

    def add(self, finding: Finding) -> None:
        """Write one finding and flush it."""
        _append(self._findings, finding_to_json(finding))

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Write one row of the table of scans and flush it."""
        _append(self._rows, row)

    def close(self) -> None:
        """Close both files."""
        self._findings.close()
        self._rows.close()


def read_findings(folder: Path) -> Iterator[Finding]:
    """The findings of a report folder, in the order in which they came."""
    for plain in _lines(folder / RESULTS_FILE):
        yield finding_from_json(plain)


def load_run(folder: Path) -> Run:
    """The run that results.json holds, with the findings of results.jsonl.

    Raises:
        SafegenError: the folder holds no finished run.
    """
    try:
        return run_from_json(json.loads((folder / RUN_FILE).read_bytes()), read_findings(folder))
    except OSError as problem:
        raise SafegenError(
            f"{folder} holds no finished run ({problem.filename} cannot be read)."
        ) from problem
    except (ValueError, KeyError, TypeError) as problem:
        raise SafegenError(
            f"{folder / RUN_FILE} is not a run of this version: {problem!r}."
        ) from problem


def _append(stream: IO[str], value: Mapping[str, Any]) -> None:
    stream.write(json.dumps(value, allow_nan=False) + "\n")
    stream.flush()


def _lines(path: Path) -> Iterator[Any]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                yield json.loads(line, parse_constant=_refuse_constant)
            except ValueError as problem:
                raise SafegenError(f"Line {number} of {path} is not JSON.") from problem


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
