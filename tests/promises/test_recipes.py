"""The recipes of CONTRIBUTING.md apply to the present tree, and what they build works."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project_files import ROOT

pytestmark = pytest.mark.slow

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("# Recipes")[2]
RECIPE = re.compile(
    r"^## (?P<title>.+?)\n.*?```diff\n(?P<diff>.*?)```\n(?P<rest>.*?)(?=^## |\Z)", re.M | re.S
)
RECIPES = {match["title"]: match for match in RECIPE.finditer(TEXT)}
FOLDERS = ("pytest_safegen", "detectors", "reports", "tests/promises", "docs")
FILES = ("README.md", "pyproject.toml", "tests/conftest.py")


def test_there_is_a_recipe_for_each_way_to_grow() -> None:
    things = ("an option", "a measure", "a detector", "a reader")
    assert list(RECIPES) == [f"Add {thing}" for thing in things]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what a recipe may touch."""
    skipped = shutil.ignore_patterns("__pycache__")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=skipped)
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_works(tree: Path, title: str) -> None:
    apply(RECIPES[title]["diff"], tree)
    for command in re.findall(r"^    \$ (.+)$", RECIPES[title]["rest"], re.M):
        done = run(shlex.split(command), tree)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def apply(diff: str, tree: Path) -> None:
    """Apply a diff as `git apply` does, in a folder that need not be a repository."""
    command = ["git", "apply", "-C1", "-"]
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(tree.parent)}
    done = subprocess.run(
        command, cwd=tree, input=diff, text=True, capture_output=True, env=environment
    )
    assert done.returncode == 0, done.stderr


def run(command: list[str], tree: Path) -> subprocess.CompletedProcess[str]:
    """Run a command on the copy, by the Python of these tests."""
    program = Path(sys.executable).parent / command[0]
    found = str(program) if program.exists() else command[0]
    packages = [tree, tree / "detectors", tree / "reports"]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTEST")},
        "PYTHONPATH": os.pathsep.join(map(str, packages)),
        "PYTHONUTF8": "1",
    }
    words = [sys.executable if command[0] == "python" else found, *command[1:]]
    return subprocess.run(words, cwd=tree, capture_output=True, text=True, env=environment)
