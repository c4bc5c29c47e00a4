"""A run knows the commit of its project."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pytest_safegen.results.provenance import commit_of


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one commit."""
    monkeypatch.delenv("GITHUB_SHA", raising=False)
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("one")
    git(tmp_path, "add", "a.txt")
    git(tmp_path, "commit", "-qm", "One")
    return tmp_path


def test_the_commit_is_that_of_git(project: Path) -> None:
    assert commit_of(project) == (git(project, "rev-parse", "HEAD"), False)


def test_a_changed_file_makes_it_dirty(project: Path) -> None:
    (project / "a.txt").write_text("two")
    assert commit_of(project)[1] is True


def test_a_new_file_does_not(project: Path) -> None:
    (project / "b.txt").write_text("two")
    assert commit_of(project)[1] is False


def test_a_project_without_a_commit_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_SHA", raising=False)
    git(tmp_path, "init", "-q")
    assert commit_of(tmp_path) == (None, None)


def test_without_git_the_commit_is_that_of_the_workflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_SHA", "abc")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(tmp_path) == ("abc", None)
