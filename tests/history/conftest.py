"""A real PostgreSQL for the tests of the history, from the system's packages."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

PLACES = ("/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/pgsql")
START_SECONDS = 60


def binaries() -> Path | None:
    """The folder with initdb and postgres; Debian does not put it on the path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = [folder for place in PLACES for folder in Path(place).glob("*/bin")]
    return next((f for f in sorted(folders, reverse=True) if (f / "initdb").exists()), None)


def owner() -> str:
    """Who may run a server: PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return getpass.getuser()
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        pytest.skip("PostgreSQL refuses to run as root, and there is no user called postgres")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a server of our own, on a socket in a temporary folder."""
    if find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed; `pip install psycopg[binary]` runs this test")
    folder = binaries()
    if folder is None:
        pytest.skip("there is no PostgreSQL; `apt-get install postgresql` runs this test")
    user = owner()
    base = Path(tempfile.mkdtemp(prefix="safegen-pg-", dir="/tmp"))
    shutil.chown(base, user)
    as_user = {"user": user} if os.getuid() == 0 else {}
    server = None
    try:
        subprocess.run(
            [folder / "initdb", "-D", base / "data", "-U", "safegen", "-A", "trust", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=base,
            **as_user,
        )
        with (base / "log").open("wb") as log:
            server = subprocess.Popen(
                [folder / "postgres", "-D", base / "data", "-k", base, "-c", "listen_addresses="],
                stdout=log,
                stderr=log,
                cwd=base,
                **as_user,
            )
        url = f"postgresql+psycopg://safegen@/postgres?host={base}"
        wait_for(url, base / "log")
        yield url
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # what is connected is sent away
            server.wait(timeout=START_SECONDS)
        shutil.rmtree(base, ignore_errors=True)


def wait_for(url: str, log: Path) -> None:
    """Return as soon as the server answers."""
    import psycopg

    host = url.partition("host=")[2]
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(f"host={host} user=safegen dbname=postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > until:
                pytest.fail(f"PostgreSQL does not start: {log.read_text()}")
            time.sleep(0.1)
        else:
            return


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'history.db'}"
    url: str = request.getfixturevalue("postgresql")
    empty(url)
    return url


def empty(url: str) -> None:
    """Drop everything in a PostgreSQL database."""
    from sqlalchemy import create_engine, text

    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
