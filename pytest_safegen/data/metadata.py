"""What files state about scans: `safegen.tsv`, BIDS `sessions.tsv`, JSON sidecars."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath, PureWindowsPath

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.data.model import Candidate
from pytest_safegen.data.names import entities, stem

MANIFEST_NAME = "safegen.tsv"

_STATED_COLUMNS = ("session", "months", "modality", "mask")
_SCAN_COLUMNS = ("path", "subject", *_STATED_COLUMNS)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest: its columns, and its scans as far as it states them, in the order of the file."""

    path: Path
    columns: tuple[str, ...]
    scans: tuple[Candidate, ...]

    def overrule(self, guess: Candidate, stated: Candidate) -> Candidate:
        """The guess, with what the manifest has a column for taken from the manifest.

        Only the subject, which no scan can lack, stays a guess where its cell is empty.
        """
        columns = [name for name in _STATED_COLUMNS if name in self.columns]
        return replace(
            guess,
            subject=stated.subject or guess.subject,
            labels={**guess.labels, **stated.labels},
            **{name: getattr(stated, name) for name in columns},
        )


def read_manifest(path: Path) -> Manifest:
    """Read `safegen.tsv`; UsageProblem, with the line, where it cannot be taken at its word."""
    lines = read_table(path)
    if not lines:
        raise UsageProblem(f"{path} is empty. Its first line must name the columns, such as path.")
    columns = tuple(lines[0][1])
    if "path" not in columns:
        raise UsageProblem(f"{path} has no column named path. Add one that names the scans.")
    scans = [(line, _stated_scan(path, line, columns, cells)) for line, cells in lines[1:]]
    _refuse_duplicates(path, scans)
    return Manifest(path, columns, tuple(scan for _, scan in scans))


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


def _stated_scan(path: Path, line: int, columns: Sequence[str], cells: Sequence[str]) -> Candidate:
    found = known_cells(columns, cells)
    where = f"{path}, line {line}"
    if "path" not in found:
        raise UsageProblem(f"{where}: there is no path. Name a scan or delete the line.")
    return Candidate(
        parts=tuple(_inside(found["path"], where).split("/")),
        subject=found.get("subject", ""),
        session=found.get("session"),
        modality=found.get("modality"),
        months=number_in(found["months"], f"{where}, months") if "months" in found else None,
        mask=_inside(found["mask"], where) if "mask" in found else None,
        labels={name: cell for name, cell in found.items() if name not in _SCAN_COLUMNS},
    )


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


def _refuse_duplicates(path: Path, scans: Sequence[tuple[int, Candidate]]) -> None:
    lines: dict[str, int] = {}
    for line, scan in scans:
        first = lines.setdefault(scan.target, line)
        if first != line:
            raise UsageProblem(
                f"{path}, line {line}: {scan.target!r} is already on line {first}. "
                "List each scan once."
            )


DAYS_A_MONTH = 30.4375

TIMES = ("months", "days", "acq_time")

_SESSION_COLUMNS = (*TIMES, "session_id", "session", "participant_id")


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One row of a table of sessions: when it was, in months, and the other columns as labels."""

    months: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


class Sessions:
    """The tables of sessions below a data root; each file is read once, when it is needed.

    Files are `sub-X/sub-X_sessions.tsv`, `sub-X/sessions.tsv`, or `sessions.tsv` in the root with a
    column `participant_id`. Of the columns `months`, `days` and `acq_time` (then the first session
    is month 0) the first that is there counts. Raises UsageProblem for what is no number or date.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._tables: dict[tuple[Path, str], Mapping[str, SessionInfo]] = {}

    def complete(self, scan: Candidate) -> Candidate:
        """The scan with the months and the labels of its session, as far as a table has them."""
        label = entities(scan.parts).get("sub")
        if label is None or scan.session is None:
            return scan
        depth = next((n for n, part in enumerate(scan.folder, 1) if "sub" in entities([part])), 0)
        folders = dict.fromkeys((self._root.joinpath(*scan.folder[:depth]), self._root))
        rows = [self._table(folder, f"sub-{label}").get(scan.session) for folder in folders]
        found = [row for row in rows if row is not None]
        labels = {key: text for row in reversed(found) for key, text in row.labels.items()}
        return replace(
            scan,
            months=next((row.months for row in found if row.months is not None), None),
            labels={**scan.labels, **labels},
        )

    def _table(self, folder: Path, subject: str) -> Mapping[str, SessionInfo]:
        if (folder, subject) not in self._tables:
            names = (f"{subject}_sessions.tsv", "sessions.tsv")
            path = next((folder / name for name in names if (folder / name).is_file()), None)
            self._tables[folder, subject] = _sessions_in(path, subject) if path else {}
        return self._tables[folder, subject]


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


SIDECAR_UNREAD = "sidecar_unread"

_SIDECAR_BYTES = 2**20

_OWN_KEY = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def with_sidecar(scan: Candidate, root: Path) -> Candidate:
    """The scan with the labels in the JSON file of the same name, if there is one.

    Where it is broken or larger than 1 MiB, the label `sidecar_unread` says so: what it states is
    then not known. Anything but an object is not about the scan.
    """
    path = scan.path_below(root).with_name(f"{stem(scan.name)}.json")
    return replace(scan, labels={**scan.labels, **_labels_in(path)}) if path.is_file() else scan


def _labels_in(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            text = file.read(_SIDECAR_BYTES + 1)
        if len(text) > _SIDECAR_BYTES:
            return {SIDECAR_UNREAD: f"{path.name} is larger than 1 MiB"}
        content = json.loads(text.decode("utf-8", "replace"))
    except (OSError, ValueError, RecursionError):
        return {SIDECAR_UNREAD: f"{path.name} cannot be read as JSON"}
    if not isinstance(content, dict):
        return {}
    return {
        key: str(value).encode("utf-8", "replace").decode()
        for key, value in content.items()
        if _OWN_KEY.fullmatch(key) and isinstance(value, (str, int, float, bool))
    }
