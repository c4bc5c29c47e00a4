"""Files that appear whole or not at all."""

import json
from pathlib import Path

import pytest

from pytest_safegen.core.atomic_io import atomic_path, write_json, write_text


def test_a_file_replaces_the_one_before_and_leaves_no_other(tmp_path: Path):
    write_text(tmp_path / "new" / "page.html", "one")
    write_text(tmp_path / "new" / "page.html", "two")

    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.html"]
    assert (tmp_path / "new" / "page.html").read_text(encoding="utf-8") == "two"


def broken_off(path: Path) -> None:
    with atomic_path(path) as partial:
        partial.write_text("ha")
        raise ZeroDivisionError


def test_a_writer_that_breaks_off_leaves_the_file_as_it_was_and_no_other(tmp_path: Path):
    write_text(tmp_path / "page.html", "whole")

    with pytest.raises(ZeroDivisionError):
        broken_off(tmp_path / "page.html")

    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "whole"


def test_the_temporary_name_keeps_the_suffix(tmp_path: Path):
    with atomic_path(tmp_path / "map.nii.gz") as partial:
        assert partial.name.endswith("map.nii.gz")
        partial.touch()


def test_what_is_no_unicode_becomes_a_question_mark(tmp_path: Path):
    write_text(tmp_path / "a.txt", b"scan-\xff.nii".decode("utf-8", "surrogateescape"))

    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "scan-?.nii"


def test_json_has_no_numbers_that_json_does_not_know(tmp_path: Path):
    write_json(tmp_path / "a.json", {"one": 1.5})
    assert json.loads((tmp_path / "a.json").read_text()) == {"one": 1.5}

    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", {"one": float("nan")})
