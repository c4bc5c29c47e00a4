"""Files appear complete or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pytest_safegen.core.atomic_io import atomic_path, write_json, write_text


def test_a_file_replaces_the_one_before_and_leaves_no_other(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "page.html", "one")
    write_text(tmp_path / "new" / "page.html", "two")

    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.html"]
    assert (tmp_path / "new" / "page.html").read_text(encoding="utf-8") == "two"


def interrupted(path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("ha")
        raise ZeroDivisionError


def test_an_interrupted_write_leaves_the_file_as_it_was_and_no_other(tmp_path: Path) -> None:
    write_text(tmp_path / "page.html", "complete")

    with pytest.raises(ZeroDivisionError):
        interrupted(tmp_path / "page.html")

    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "complete"


@pytest.mark.parametrize(
    ("name", "suffix"), [("map.nii.gz", ".nii.gz"), ("a.png", ".png"), ("x" * 250 + ".png", ".png")]
)
def test_the_temporary_name_keeps_the_suffix(tmp_path: Path, name: str, suffix: str) -> None:
    with atomic_path(tmp_path / name) as temporary:
        assert temporary.name.endswith(suffix)
        temporary.touch()
    assert (tmp_path / name).is_file()


def test_two_writers_of_a_file_have_different_temporary_names(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a") as first, atomic_path(tmp_path / "a") as second:
        assert first != second
        first.touch()
        second.touch()


def test_hosts_with_the_same_process_id_have_different_temporary_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    for host in ("node-1", "node-2"):
        monkeypatch.setattr("platform.node", lambda host=host: host)
        with atomic_path(tmp_path / "a") as temporary:
            names.append(temporary.name)
            temporary.touch()
    assert ["node-1" in names[0], "node-2" in names[1]] == [True, True]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc to name descriptors")
def test_the_content_is_on_the_disk_before_the_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    rename, flush = Path.replace, os.fsync

    def replaced(self: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(self, target)

    def flushed(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").resolve()
        steps.append("folder" if name == tmp_path else "file")
        flush(descriptor)

    monkeypatch.setattr(Path, "replace", replaced)
    monkeypatch.setattr(os, "fsync", flushed)
    write_text(tmp_path / "a.txt", "text")
    assert steps == ["file", "rename", "folder"]


def test_what_need_not_last_is_not_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: pytest.fail("flushed"))
    write_text(tmp_path / "a.txt", "text", durable=False)
    assert (tmp_path / "a.txt").read_text() == "text"


def test_what_is_not_unicode_becomes_a_question_mark(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", b"scan-\xff.nii".decode("utf-8", "surrogateescape"))

    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "scan-?.nii"


def test_json_has_no_numbers_that_json_does_not_know(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"one": 1.5})
    assert json.loads((tmp_path / "a.json").read_text()) == {"one": 1.5}

    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", {"one": float("nan")})
