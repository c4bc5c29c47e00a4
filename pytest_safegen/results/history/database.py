"""A store by its URL: connections, transactions, and tables of the right schema.

A run is written in one transaction, and SQLite's begins with the right to write. So a killed
process leaves all of a run or nothing, and writers wait for one another instead of failing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    NullPool,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.results.history.tables import HEAD

OFF = "none"
WAIT_SECONDS = 30
LOCK = 7236433469  # any number that other programs do not lock
WRITES = "safegen_writes"
EXAMPLE = "sqlite:///history.db or postgresql+psycopg://user@host/database"


class HistoryError(UsageProblem):
    """The store of the history cannot be used as asked."""


def engine_of(store: str, *, create: bool) -> Engine:
    """An engine for a store; `create` makes the folder of an SQLite file.

    Raises:
        HistoryError: no URL, a database that is not supported, a driver that is not installed.
    """
    url = _url(store)
    if url.get_backend_name() == "sqlite":
        _demand_file(url, create=create)
        url = url.update_query_dict({"timeout": url.query.get("timeout", str(WAIT_SECONDS))})
    try:
        engine = create_engine(url, poolclass=NullPool)
    except ModuleNotFoundError as problem:
        raise HistoryError(
            f"The store {without_password(url)} needs the module {problem.name}: "
            "pip install 'pytest-safegen[postgresql]'."
        ) from problem
    except (SQLAlchemyError, ValueError, TypeError) as problem:
        raise HistoryError(
            f"The store {without_password(url)} cannot be used: {problem}."
        ) from problem
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def transaction(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    """A transaction that is committed as a whole or not at all.

    Raises:
        HistoryError: the database says no; the text says what, and hides the password.
    """
    try:
        with engine.connect() as connection:
            connection = connection.execution_options(**{WRITES: writes})
            with connection.begin():
                yield connection
    except DBAPIError as problem:
        raise HistoryError(_database_error(engine.url, problem)) from problem


def migrate(engine: Engine) -> None:
    """Bring the tables to the schema of this version; several processes may try at once.

    Raises:
        HistoryError: the tables are of a newer version, or the database says no.
    """
    with transaction(engine, writes=False) as connection:
        if revision_of(connection) == HEAD:
            return
    with transaction(engine, writes=True) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        found = revision_of(connection)
        if found != HEAD:
            _upgrade(connection, found, engine.url)


def revision_of(connection: Connection) -> str | None:
    """The revision of the tables; None where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(
        text("SELECT version_num FROM alembic_version")
    ).scalar_one_or_none()
    return found


def without_password(url: URL) -> str:
    """The URL as the user wrote it, without its password."""
    return url.difference_update_query(["timeout"]).render_as_string(hide_password=True)


def _url(store: str) -> URL:
    try:
        url = make_url(store)
    except ArgumentError as problem:
        raise HistoryError(f"The store {store!r} is no URL; write {EXAMPLE}.") from problem
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise HistoryError(
            f"The store {without_password(url)} is neither SQLite nor PostgreSQL; write {EXAMPLE}."
        )
    return url


def _demand_file(url: URL, *, create: bool) -> None:
    name = url.database
    if name in (None, "", ":memory:"):
        raise HistoryError(
            f"The store {without_password(url)} names no file; write sqlite:///history.db."
        )
    if url.query.get("uri"):
        return
    path = Path(str(name))
    if not create and not path.is_file():
        raise HistoryError(f"There is no history yet: {path} is not there.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise HistoryError(
            f"The folder of the store {path} cannot be made: {problem.strerror}."
        ) from problem


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy begins, see below
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _upgrade(connection: Connection, found: str | None, url: URL) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise HistoryError(
            f"The store {without_password(url)} has the schema {found!r} of a newer version; this "
            f"one knows {HEAD!r}: update pytest-safegen, or name another store."
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _database_error(url: URL, problem: DBAPIError) -> str:
    first = next(iter(str(problem.orig).strip().splitlines()), type(problem.orig).__name__)
    name = without_password(url)
    if "locked" in first:
        return f"The store {name} is locked by another program: {first}. Try again later."
    if "readonly" in first or "read-only" in first:
        return (
            f"The store {name} is read-only: {first}. Name another one, or --safegen-history=none."
        )
    return f"The store {name} cannot be used: {first.rstrip('.')}."
