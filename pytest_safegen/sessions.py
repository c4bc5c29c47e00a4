"""When the sessions of a subject were and what is told of them: `sessions.tsv` of BIDS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pytest_safegen.errors import UsageProblem
from pytest_safegen.layouts import entities
from pytest_safegen.manifest import known, number_in, read_table
from pytest_safegen.tree import Item

DAYS_A_MONTH = 30.4375
TIMES = ("months", "days", "acq_time")
_BUILT_IN = (*TIMES, "session_id", "session", "participant_id")


@dataclass(frozen=True, slots=True)
class Told:
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
        self._read: dict[tuple[Path, str], Mapping[str, Told]] = {}

    def told_of(self, item: Item, session: str | None) -> Told:
        """What is told of the session that this scan is from: nothing where it has no row."""
        label = entities(item.parts).get("sub")
        if label is None or session is None:
            return Told()
        depth = next((n for n, part in enumerate(item.folder, 1) if "sub" in entities([part])), 0)
        folders = dict.fromkeys((self._root.joinpath(*item.folder[:depth]), self._root))
        rows = [self._rows(folder, f"sub-{label}").get(session) for folder in folders]
        found = [row for row in rows if row is not None]
        return Told(
            next((row.months for row in found if row.months is not None), None),
            {key: text for row in reversed(found) for key, text in row.labels.items()},
        )

    def _rows(self, folder: Path, subject: str) -> Mapping[str, Told]:
        if (folder, subject) not in self._read:
            names = (f"{subject}_sessions.tsv", "sessions.tsv")
            path = next((folder / name for name in names if (folder / name).is_file()), None)
            self._read[folder, subject] = _told(path, subject) if path else {}
        return self._read[folder, subject]


def _told(path: Path, subject: str) -> Mapping[str, Told]:
    (_, columns), *lines = read_table(path) or [(1, [])]
    rows = [(f"{path}, line {line}", known(columns, cells)) for line, cells in lines]
    rows = [(where, row) for where, row in rows if row.get("participant_id", subject) == subject]
    timed = [(where, row) for where, row in rows if _name(row) or set(row) & set(TIMES)]
    months = _months(columns, timed)
    named = [(_session(where, row), row) for where, row in timed]
    return {session: Told(months.get(session), _labels(row)) for session, row in named}


def _labels(row: Mapping[str, str]) -> dict[str, str]:
    return {name: cell for name, cell in row.items() if name not in _BUILT_IN}


def _months(
    columns: Sequence[str], rows: Sequence[tuple[str, Mapping[str, str]]]
) -> Mapping[str, float]:
    column = next((name for name in TIMES if name in columns), None)
    if column is None:
        return {}
    values = [(_session(where, row), where, row[column]) for where, row in rows if column in row]
    if column == "acq_time":
        return _since_first([(session, _time(cell, where)) for session, where, cell in values])
    divisor = DAYS_A_MONTH if column == "days" else 1.0
    return {session: number_in(cell, where) / divisor for session, where, cell in values}


def _session(where: str, row: Mapping[str, str]) -> str:
    name = _name(row)
    if name is None:
        raise UsageProblem(f"{where}: there is no session_id. Name the session, such as ses-01.")
    return name if name.startswith("ses-") else f"ses-{name}"


def _name(row: Mapping[str, str]) -> str | None:
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
