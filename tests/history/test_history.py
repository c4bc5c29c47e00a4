"""Runs are kept, found, tagged, pruned and carried to another store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from runs import finding, run_of
from sqlalchemy import func, select, text

from pytest_safegen import Verdict
from pytest_safegen.results.history import HistoryError, open_history
from pytest_safegen.results.history.tables import HEAD, findings, runs, tags


def test_a_run_comes_back_as_it_was(store: str) -> None:
    history, run = open_history(store), run_of([0.5, 2.0])
    assert history.add(run)
    assert history.load(history.find(run.id)) == run


def test_a_run_with_any_file_name_comes_back(store: str) -> None:
    odd = replace(finding(1), target="a\udcff\u0000'; DROP TABLE runs;--/\u65e5\u672c.nii")
    run = replace(run_of(), findings=(odd,))
    history = open_history(store)
    history.add(run)
    assert history.load(history.find(run.id)).findings == (odd,)


def test_a_run_is_kept_once(store: str) -> None:
    history, run = open_history(store), run_of()
    assert [history.add(run), history.add(run)] == [True, False]
    assert len(history.entries()) == 1


def test_a_second_opening_changes_nothing(store: str) -> None:
    open_history(store).add(run_of())
    assert len(open_history(store).entries()) == 1


@pytest.mark.parametrize("name", ["latest", "2.0", "gan@2.0", "abcdef", "abcdef123456"])
def test_a_run_is_found_by_name(store: str, name: str) -> None:
    history = open_history(store)
    history.add(run_of(version="1.0"))
    history.add(run_of(version="2.0", identity="abcdef123456", created="2026-02-01T00:00:00"))
    assert history.find(name).run.id == "abcdef123456"


def test_the_newest_complete_run_of_a_version_is_found(store: str) -> None:
    history, whole = open_history(store), run_of(created="2026-01-01")
    history.add(whole)
    history.add(replace(run_of(created="2026-02-01"), counts={"discovered": 3, "judged": 2}))
    assert history.find("1.0").run.id == whole.id


def test_an_unknown_version_is_named_with_those_that_are_there(store: str) -> None:
    history = open_history(store)
    history.add(run_of(version="1.0"))
    with pytest.raises(HistoryError, match=r"no run called '9\.9'\. It has gan@1\.0\."):
        history.find("9.9")


def test_a_version_of_another_generator_is_not_taken(store: str) -> None:
    history = open_history(store)
    history.add(run_of(generator="gan"))
    with pytest.raises(HistoryError, match="no run called"):
        history.find("1.0", generator="diffusion")


def test_a_tag_is_another_name_until_it_is_taken_away(store: str) -> None:
    history = open_history(store)
    history.add(run_of())
    history.tag(history.find("1.0"), "stable")
    assert history.find("stable").tags == ("stable",)
    history.untag(history.find("stable"), "stable")
    with pytest.raises(HistoryError, match="stable"):
        history.find("stable")


def test_a_removed_run_leaves_nothing(store: str) -> None:
    history = open_history(store)
    history.add(run_of(), tagged=["stable"])
    history.remove(history.entries())
    with history.engine.connect() as connection:
        left = [
            connection.execute(select(func.count()).select_from(table)).scalar()
            for table in (runs, findings, tags)
        ]
    assert left == [0, 0, 0]


def test_an_exported_history_can_be_imported(store: str, tmp_path: Path) -> None:
    first, other = open_history(store), open_history(f"sqlite:///{tmp_path / 'other.db'}")
    first.add(run_of(), tagged=["stable"])
    assert other.import_lines(first.export_lines(), source="x") == (1, 0)
    assert other.import_lines(first.export_lines(), source="x") == (0, 1)
    assert [(e.run.id, e.tags) for e in other.entries()] == [
        (e.run.id, e.tags) for e in first.entries()
    ]


def test_a_line_that_is_no_run_adds_nothing(store: str) -> None:
    history = open_history(store)
    good = history_line()
    with pytest.raises(HistoryError, match="Line 2 of x"):
        history.import_lines([good, '{"run": {}}'], source="x")
    assert history.entries() == []


def history_line() -> str:
    from pytest_safegen.results.history.entries import encode_line

    return encode_line(run_of(), [])


def test_a_newer_schema_is_refused(store: str) -> None:
    with open_history(store).engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(HistoryError, match=f"newer version; this one knows '{HEAD}'"):
        open_history(store)


def test_the_tables_are_those_of_the_newest_migration(store: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from pytest_safegen.results.history.tables import metadata

    with open_history(store).engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_verdict_survives(store: str) -> None:
    history = open_history(store)
    history.add(replace(run_of(), verdict=Verdict.WAIVED))
    assert history.find("latest").run.verdict is Verdict.WAIVED


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("history.db", "is no URL"),
        ("mysql://me:secret@host/db", "neither SQLite nor PostgreSQL"),
        ("sqlite://", "names no file"),
        ("postgresql+nothing://me:secret@host/db", "cannot be used"),
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str, message: str) -> None:
    with pytest.raises(HistoryError, match=message) as caught:
        open_history(url)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "history.db").write_text("no database, but some text that is long enough" * 50)
    with pytest.raises(HistoryError, match="not a database"):
        open_history(f"sqlite:///{tmp_path / 'history.db'}")


def test_a_read_only_store_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    open_history(f"sqlite:///{file}")
    with pytest.raises(HistoryError, match="read-only"):
        open_history(f"sqlite:///file:{file}?mode=ro&uri=true", to_write=True)


def test_a_locked_store_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'history.db'}?timeout=0.05"
    history = open_history(url)
    with history.engine.connect() as other:
        other = other.execution_options(safegen_writes=True)
        with other.begin(), pytest.raises(HistoryError, match="locked by another program"):
            history.add(run_of())


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    url = f"postgresql+psycopg://me:secret@/db?host={tmp_path}"
    with pytest.raises(HistoryError, match="cannot be used") as caught:
        open_history(url)
    assert "secret" not in str(caught.value)
