"""The files of a report folder: results.jsonl as findings come, results.json at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pytest_safegen.core.codec import decode_finding, decode_run, encode_finding
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
        self.add_encoded(encode_finding(finding))

    def add_encoded(self, line: str) -> None:
        """Write one finding that `encode_finding` made a line of, as a worker sends it."""
        _append(self._findings, line)

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Write one row of the table of scans and flush it."""
        _append(self._rows, json.dumps(row, allow_nan=False))

    def close(self) -> None:
        """Close both files."""
        self._findings.close()
        self._rows.close()


def read_findings(folder: Path) -> Iterator[Finding]:
    """The findings of a report folder, in the order in which they came.

    Raises:
        SafegenError: a damaged line; the text names it.
    """
    path = folder / RESULTS_FILE
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            yield decode_finding(line, source=f"Line {number} of {path}")


def load_run(folder: Path) -> Run:
    """The run that results.json holds, with the findings of results.jsonl.

    Raises:
        SafegenError: the folder holds no finished run.
    """
    path = folder / RUN_FILE
    try:
        return decode_run(path.read_bytes(), read_findings(folder), source=str(path))
    except OSError as problem:
        raise SafegenError(
            f"{folder} holds no finished run ({problem.filename} cannot be read)."
        ) from problem


def _append(stream: IO[str], line: str) -> None:
    stream.write(line + "\n")
    stream.flush()
