"""The history of runs: add, find, tag, remove, export and import them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, insert, select

from pytest_safegen.core.errors import SafegenError
from pytest_safegen.core.finding import Run
from pytest_safegen.results.history.database import (
    HistoryError,
    engine_of,
    migrate,
    transaction,
    without_password,
)
from pytest_safegen.results.history.entries import (
    Entry,
    decode_line,
    encode_line,
    finding_rows,
    model_name,
    row_of,
    run_of,
)
from pytest_safegen.results.history.tables import findings, runs, tags

LATEST = "latest"
MIN_ID_LENGTH = 6


@dataclass(frozen=True, slots=True)
class History:
    """The runs in one store. Every method is one transaction."""

    engine: Engine

    @property
    def name(self) -> str:
        """The store's URL without its password."""
        return without_password(self.engine.url)

    def add(self, run: Run, *, tagged: Sequence[str] = ()) -> bool:
        """Add a run; False if it is there already."""
        with transaction(self.engine, writes=True) as connection:
            if connection.execute(select(runs.c.id).where(runs.c.id == run.id)).first():
                return False
            made = connection.execute(insert(runs).values(**row_of(run)).returning(runs.c.number))
            number = int(made.scalar_one())
            rows = finding_rows(run, number)
            if rows:
                connection.execute(insert(findings), rows)
            for name in dict.fromkeys(tagged):
                connection.execute(insert(tags).values(run=number, name=name))
        return True

    def entries(self, model: str | None = None) -> list[Entry]:
        """All runs in the order of time, or those of `NAME` or `NAME@VERSION`."""
        with transaction(self.engine, writes=False) as connection:
            rows = connection.execute(
                select(runs.c.number, runs.c.complete, runs.c.body).order_by(
                    runs.c.created, runs.c.number
                )
            ).all()
            named = _tags(connection)
        found = [
            Entry(row.number, run_of(row.body), row.complete, named.get(row.number, ()))
            for row in rows
        ]
        return [entry for entry in found if model in (None, entry.run.generator, entry.name)]

    def load(self, entry: Entry) -> Run:
        """The run with all its findings."""
        with transaction(self.engine, writes=False) as connection:
            return self._load(connection, entry)

    def find(self, name: str, *, generator: str | None = None) -> Entry:
        """The newest run by that name: `latest`, NAME@VERSION, VERSION, a tag, or a run's id.

        Complete runs come first. `generator` narrows what `latest`, a version or a tag may mean.

        Raises:
            HistoryError: there is none; the text says what there is.
        """
        entries = self.entries()
        own = [e for e in entries if generator in (None, e.run.generator)]
        for candidates in _meanings(name, entries, own):
            if candidates:
                return max(candidates, key=lambda entry: entry.complete)
        known = list(dict.fromkeys(entry.name for entry in (own or entries)[::-1]))[:8]
        there = f"It has {', '.join(known)}." if known else "It is empty."
        raise HistoryError(f"The history {self.name} has no run called {name!r}. {there}")

    def tag(self, entry: Entry, name: str) -> None:
        """Tag a run; a tagged run is never pruned."""
        if not name.strip() or len(name) > 100 or not name.isprintable():
            raise HistoryError(f"{name!r} is no tag: write one to 100 printable characters.")
        if name not in entry.tags:
            with transaction(self.engine, writes=True) as connection:
                connection.execute(insert(tags).values(run=entry.number, name=name))

    def untag(self, entry: Entry, name: str) -> None:
        """Remove a tag of a run."""
        with transaction(self.engine, writes=True) as connection:
            connection.execute(
                delete(tags).where(tags.c.run == entry.number).where(tags.c.name == name)
            )

    def remove(self, entries: Iterable[Entry]) -> None:
        """Remove runs, all of them or none."""
        with transaction(self.engine, writes=True) as connection:
            for entry in entries:
                for table in (tags, findings):
                    connection.execute(delete(table).where(table.c.run == entry.number))
                connection.execute(delete(runs).where(runs.c.number == entry.number))

    def export_lines(self) -> Iterator[str]:
        """Every run as a line of JSON."""
        for entry in self.entries():
            yield encode_line(self.load(entry), entry.tags)

    def import_lines(self, lines: Iterable[str], *, source: str) -> tuple[int, int]:
        """Add exported runs; how many were new, and how many were there already.

        Raises:
            HistoryError: a line that is no run; nothing of the file is added then.
        """
        found = [_parse_line(line, number, source) for number, line in enumerate(lines, 1)]
        new = sum(self.add(run, tagged=names) for run, names in found)
        return new, len(found) - new

    def _load(self, connection: Connection, entry: Entry) -> Run:
        body = connection.execute(
            select(runs.c.body).where(runs.c.number == entry.number)
        ).scalar_one_or_none()
        if body is None:
            raise HistoryError(f"The run {entry.run.id} is no longer in {self.name}.")
        rows = connection.execute(
            select(findings.c.body).where(findings.c.run == entry.number).order_by(findings.c.place)
        )
        return run_of(body, rows.scalars().all())


def open_history(store: str, *, create: bool = True, to_write: bool = False) -> History:
    """The history of a store, with tables of the right schema.

    `create` makes a store that is not there; `to_write` refuses one that cannot be written.

    Raises:
        HistoryError: a store that cannot be used; the text names it, without its password.
    """
    engine = engine_of(store, create=create)
    migrate(engine)
    if to_write:
        with transaction(engine, writes=True) as connection:
            connection.execute(delete(tags).where(tags.c.run < 0))
    return History(engine)


def _meanings(name: str, entries: Sequence[Entry], own: Sequence[Entry]) -> Iterator[list[Entry]]:
    """What a name may mean, the newest run first, the most likely meaning first."""
    tests: list[tuple[Sequence[Entry], Callable[[Entry], bool]]] = [
        (own if name == LATEST else (), lambda e: bool(e.number)),
        (entries, lambda e: e.name == name),
        (own, lambda e: e.run.version == name),
        (own, lambda e: name in e.tags),
        (entries, lambda e: len(name) >= MIN_ID_LENGTH and e.run.id.startswith(name)),
    ]
    for candidates, test in tests:
        yield [entry for entry in reversed(candidates) if test(entry)]


def _tags(connection: Connection) -> dict[int, tuple[str, ...]]:
    named: dict[int, tuple[str, ...]] = {}
    for row in connection.execute(select(tags.c.run, tags.c.name).order_by(tags.c.name)):
        named[row.run] = (*named.get(row.run, ()), row.name)
    return named


def _parse_line(line: str, number: int, source: str) -> tuple[Run, tuple[str, ...]]:
    try:
        return decode_line(line, source=f"Line {number} of {source}")
    except SafegenError as problem:
        raise HistoryError(str(problem)) from problem


def describe_entry(entry: Entry) -> str:
    """A run in a few words, for messages."""
    return f"{model_name(entry.run)} of {entry.run.created} (run {entry.run.id[:8]})"
