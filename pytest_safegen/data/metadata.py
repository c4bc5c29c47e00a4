"""What is stated of scans: in `safegen.tsv`, in BIDS `sessions.tsv`, in JSON sidecars."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath, PureWindowsPath

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.data.names import entities, stem
from pytest_safegen.data.tree import Item

MANIFEST_NAME = "safegen.tsv"

_SCAN_COLUMNS = ("path", "subject", "session", "months", "modality", "mask")


@dataclass(frozen=True, slots=True)
class Row:
    """One scan of a manifest; `cells` are the known cells by column, `line` counts from 1."""

    line: int
    path: str
    cells: Mapping[str, str]
    mask: str | None
    months: float | None

    @property
    def labels(self) -> dict[str, str]:
        """The cells that are no part of a ScanRef."""
        return {name: cell for name, cell in self.cells.items() if name not in _SCAN_COLUMNS}


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest with its columns and rows, in the order of the file."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_manifest(path: Path) -> Manifest:
    """Read `safegen.tsv`; UsageProblem, with the line, where it cannot be taken at its word."""
    lines = read_table(path)
    if not lines:
        raise UsageProblem(f"{path} is empty. Its first line must name the columns, such as path.")
    columns = tuple(lines[0][1])
    if "path" not in columns:
        raise UsageProblem(f"{path} has no column named path. Add one that names the scans.")
    rows = tuple(_row(path, line, columns, cells) for line, cells in lines[1:])
    _refuse_duplicates(path, rows)
    return Manifest(path, columns, rows)


def read_table(path: Path) -> list[tuple[int, list[str]]]:
    """The lines of a tab-separated file that are not blank, as (line number, cells), header first.

    Raises UsageProblem if it cannot be read, a line has another number of cells than the header,
    or a column is named twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageProblem(f"{path} cannot be read as text in UTF-8: {problem}.") from problem
    split = [[cell.strip() for cell in line.split("\t")] for line in text.split("\n")]
    lines = [(number, cells) for number, cells in enumerate(split, start=1) if any(cells)]
    for number, cells in lines:
        if len(cells) != len(lines[0][1]):
            raise UsageProblem(
                f"{path}, line {number}: {len(cells)} cells where the first line has "
                f"{len(lines[0][1])}. Separate cells by one tab each, and write n/a if unknown."
            )
    if lines and len(set(lines[0][1])) < len(lines[0][1]):
        raise UsageProblem(f"{path} names a column twice. Rename one of them.")
    return lines


def number_in(cell: str, where: str) -> float:
    """A finite number; `where` begins the UsageProblem that is raised otherwise."""
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageProblem(f"{where}: {cell!r} is not a number. Write n/a if it is unknown.")
    return number


def known_cells(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """The cells by column, without those that are empty or n/a."""
    pairs = zip(columns, cells, strict=True)
    return {column: cell for column, cell in pairs if cell.lower() not in ("", "n/a")}


def _row(path: Path, line: int, columns: Sequence[str], cells: Sequence[str]) -> Row:
    found = known_cells(columns, cells)
    where = f"{path}, line {line}"
    if "path" not in found:
        raise UsageProblem(f"{where}: there is no path. Name a scan or delete the line.")
    months = number_in(found["months"], f"{where}, months") if "months" in found else None
    mask = _inside(found["mask"], where) if "mask" in found else None
    return Row(line, _inside(found["path"], where), found, mask, months)


def _inside(cell: str, where: str) -> str:
    """A path relative to the data root, in its plain form."""
    path = PurePosixPath(cell)
    outside = path.is_absolute() or PureWindowsPath(cell).anchor or ".." in path.parts
    if outside or not path.parts or "\0" in cell:
        raise UsageProblem(
            f"{where}: {cell!r} does not lead to something inside the data folder. "
            "Write paths relative to it, without '..'."
        )
    return path.as_posix()


def _refuse_duplicates(path: Path, rows: Sequence[Row]) -> None:
    lines: dict[str, int] = {}
    for row in rows:
        if row.path in lines:
            raise UsageProblem(
                f"{path}, line {row.line}: {row.path!r} is already on line {lines[row.path]}. "
                "List each scan once."
            )
        lines[row.path] = row.line


DAYS_A_MONTH = 30.4375

TIMES = ("months", "days", "acq_time")

_SESSION_COLUMNS = (*TIMES, "session_id", "session", "participant_id")


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What is told of a session: when it was, in months, and the other columns as labels."""

    months: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


class Sessions:
    """What is told of the sessions below a data root; each file is read once, when asked for.

    Files are `sub-X/sub-X_sessions.tsv`, `sub-X/sessions.tsv`, or `sessions.tsv` in the root with a
    column `participant_id`. Of the columns `months`, `days` and `acq_time` (then the first session
    is month 0) the first that is there counts. Raises UsageProblem for what is no number or date.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[tuple[Path, str], Mapping[str, SessionInfo]] = {}

    def told_of(self, item: Item, session: str | None) -> SessionInfo:
        """What is told of the session that this scan is from: nothing where it has no row."""
        label = entities(item.parts).get("sub")
        if label is None or session is None:
            return SessionInfo()
        depth = next((n for n, part in enumerate(item.folder, 1) if "sub" in entities([part])), 0)
        folders = dict.fromkeys((self._root.joinpath(*item.folder[:depth]), self._root))
        rows = [self._rows(folder, f"sub-{label}").get(session) for folder in folders]
        found = [row for row in rows if row is not None]
        return SessionInfo(
            next((row.months for row in found if row.months is not None), None),
            {key: text for row in reversed(found) for key, text in row.labels.items()},
        )

    def _rows(self, folder: Path, subject: str) -> Mapping[str, SessionInfo]:
        if (folder, subject) not in self._read:
            names = (f"{subject}_sessions.tsv", "sessions.tsv")
            path = next((folder / name for name in names if (folder / name).is_file()), None)
            self._read[folder, subject] = _sessions_in(path, subject) if path else {}
        return self._read[folder, subject]


def _sessions_in(path: Path, subject: str) -> Mapping[str, SessionInfo]:
    (_, columns), *lines = read_table(path) or [(1, [])]
    rows = [(f"{path}, line {line}", known_cells(columns, cells)) for line, cells in lines]
    rows = [(where, row) for where, row in rows if row.get("participant_id", subject) == subject]
    timed = [(where, row) for where, row in rows if _session_name(row) or set(row) & set(TIMES)]
    months = _months(columns, timed)
    named = [(_label_of(where, row), row) for where, row in timed]
    return {session: SessionInfo(months.get(session), _labels(row)) for session, row in named}


def _labels(row: Mapping[str, str]) -> dict[str, str]:
    return {name: cell for name, cell in row.items() if name not in _SESSION_COLUMNS}


def _months(
    columns: Sequence[str], rows: Sequence[tuple[str, Mapping[str, str]]]
) -> Mapping[str, float]:
    column = next((name for name in TIMES if name in columns), None)
    if column is None:
        return {}
    values = [(_label_of(where, row), where, row[column]) for where, row in rows if column in row]
    if column == "acq_time":
        return _since_first([(session, _time(cell, where)) for session, where, cell in values])
    divisor = DAYS_A_MONTH if column == "days" else 1.0
    return {session: number_in(cell, where) / divisor for session, where, cell in values}


def _label_of(where: str, row: Mapping[str, str]) -> str:
    name = _session_name(row)
    if name is None:
        raise UsageProblem(f"{where}: there is no session_id. Name the session, such as ses-01.")
    return name if name.startswith("ses-") else f"ses-{name}"


def _session_name(row: Mapping[str, str]) -> str | None:
    return row.get("session_id") or row.get("session")


def _time(cell: str, where: str) -> datetime:
    try:
        return datetime.fromisoformat(cell).replace(tzinfo=None)
    except ValueError as problem:
        raise UsageProblem(
            f"{where}: {cell!r} is not a date such as 2024-01-31T12:00:00. Write n/a if unknown."
        ) from problem


def _since_first(times: Sequence[tuple[str, datetime]]) -> dict[str, float]:
    first = min((time for _, time in times), default=None)
    if first is None:
        return {}
    return {
        session: (time - first).total_seconds() / 86_400 / DAYS_A_MONTH for session, time in times
    }


UNREAD = "sidecar_unread"

MOST_BYTES = 2**20

_OWN_KEY = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def labels_beside(scan: Path) -> dict[str, str]:
    """The labels in the JSON file that is called like the scan; empty where there is none.

    Where it is broken or larger than 1 MiB, the label `sidecar_unread` says so: what it states is
    then not known. Anything but an object is not about the scan.
    """
    path = scan.with_name(f"{stem(scan.name)}.json")
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as file:
            found = file.read(MOST_BYTES + 1)
        if len(found) > MOST_BYTES:
            return {UNREAD: f"{path.name} is larger than 1 MiB"}
        content = json.loads(found.decode("utf-8", "replace"))
    except (OSError, ValueError, RecursionError):
        return {UNREAD: f"{path.name} cannot be read as JSON"}
    if not isinstance(content, dict):
        return {}
    return {
        key: str(value).encode("utf-8", "replace").decode()
        for key, value in content.items()
        if _OWN_KEY.fullmatch(key) and isinstance(value, (str, int, float, bool))
    }
