"""A project that merely has the package installed does not feel it."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from functools import cached_property
from pathlib import Path

import pytest

from pytest_safegen.pytest_plugin.collection import Gate
from pytest_safegen.pytest_plugin.controller import Controller
from pytest_safegen.pytest_plugin.execution import Execution
from pytest_safegen.pytest_plugin.finish import Finish
from pytest_safegen.pytest_plugin.terminal import Terminal
from pytest_safegen.pytest_plugin.workers import Workers

pytestmark = pytest.mark.slow

HEAVY = (
    "numpy",
    "torch",
    "nibabel",
    "scipy",
    "SimpleITK",
    "jinja2",
    "great_expectations",
    "monai",
    "shap",
    "safetensors",
    "PIL",
    "pandas",
    "tqdm",
    "sqlalchemy",
    "alembic",
    "mlflow",
    "safegen_detectors",
    "safegen_reports",
)


LIBRARIES = tuple(name for name in HEAVY if not name.startswith("safegen"))
COMMANDS = (["--help"], ["duplicates", "--help"], ["calibrate-longitudinal", "--help"])

MOST_MILLISECONDS = 10
RUNS = 5
TEST = "import sys\ndef test_own(): print('\\nLOADED', *sorted(sys.modules))\n"


def run_pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    """A pytest run, in a project without data, with no plug-in but this one."""
    (folder / "test_own.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-s", "-p", "pytest_safegen.plugin"]
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=folder, env=_environment() | alone
    )


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules that are loaded while a test of such a project runs."""
    output = run_pytest(tmp_path_factory.mktemp("plain")).stdout
    (line,) = (line for line in output.splitlines() if line.startswith("LOADED"))
    return set(line.split()[1:])


def test_the_plugin_is_there(loaded: set[str]) -> None:
    assert "pytest_safegen.plugin" in loaded


@pytest.mark.parametrize("module", HEAVY)
def test_nothing_heavy_is_imported(loaded: set[str], module: str) -> None:
    assert module not in loaded


def test_only_the_plugin_and_its_table_of_options_are_imported(loaded: set[str]) -> None:
    own = {name for name in loaded if name.startswith("pytest_safegen.")}
    light = ("plugin", "config", "config.options", "pytest_plugin", "pytest_plugin.constants")
    assert own == {f"pytest_safegen.{name}" for name in light}


def test_it_costs_less_than_ten_milliseconds() -> None:
    assert min(milliseconds() for _ in range(RUNS)) < MOST_MILLISECONDS


def milliseconds() -> float:
    """What importing the plug-in takes, with all that it imports, where pytest is there already."""
    command = [sys.executable, "-X", "importtime", "-c", "import pytest, pytest_safegen.plugin"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    taken = re.findall(r"\|\s+(\d+) \|\s+(?:pytest_safegen|pytest_safegen\.plugin)$", report, re.M)
    package, plugin = map(int, taken)
    return (package + plugin) / 1000


@pytest.mark.parametrize("plugin", [Gate, Execution, Controller, Finish, Terminal, Workers])
def test_looking_at_a_plug_in_starts_nothing(plugin: type) -> None:
    """Some versions of pytest evaluate every attribute of a plug-in that they register."""
    members = inspect.getmembers(plugin)
    assert [name for name, m in members if isinstance(m, property | cached_property)] == []


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_the_command_line_loads_no_library_that_it_does_not_need(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom pytest_safegen.cli.main import main\n"
        "try: main(sys.argv[1:])\nfinally: print('LOADED', *sorted(sys.modules))"
    )
    command = [sys.executable, "-c", program, *arguments]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    loaded = output.rpartition("LOADED")[2].split()
    assert sorted(set(LIBRARIES) & set(loaded)) == []
