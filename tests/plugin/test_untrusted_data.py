"""Nothing that lies in a data folder is ever run or imported."""

from __future__ import annotations

import pytest
from gate_project import Project

pytestmark = pytest.mark.slow

EVIL = "import pathlib\npathlib.Path({mark!r}).touch()\n"


@pytest.fixture
def trap(project: Project) -> Project:
    """A scan in a folder that is full of code."""
    project.scan("data/sub-01/sub-01_T1w.nii.gz")
    evil = EVIL.format(mark=str(project.root / "executed"))
    for folder in ("data", "data/sub-01", "data/tests"):
        project.write(f"{folder}/conftest.py", evil)
        project.write(f"{folder}/test_evil.py", evil + "def test_evil(): pass\n")
        project.write(f"{folder}/__init__.py", evil)
        project.write(f"{folder}/setup.py", evil)
    doctest = f">>> import pathlib; pathlib.Path({str(project.root / 'executed')!r}).touch()\n"
    project.write("data/test_evil.txt", doctest)
    return project


def executed(project: Project) -> bool:
    """True if some code of the data folder ran."""
    return (project.root / "executed").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (".",),
        ("data",),
        ("data/",),
        ("data/sub-01",),
        ("data/sub-01/sub-01_T1w.nii.gz",),
        ("data/sub-01/sub-01_T1w.nii.gz::brightness",),
        ("--doctest-modules",),
        ("--doctest-glob=*.txt",),
        ("--import-mode=importlib",),
        ("-n2",),
    ],
    ids=lambda arguments: " ".join(arguments) or "none",
)
def test_no_code_of_the_data_folder_runs(trap: Project, arguments: tuple[str, ...]) -> None:
    result = trap.gate(*arguments)
    assert result.ret == pytest.ExitCode.OK
    assert not executed(trap)


def test_no_code_runs_in_a_data_folder_that_is_called_like_tests(trap: Project) -> None:
    (trap.root / "data").rename(trap.root / "test_set")
    assert trap.gate(data="test_set").ret == pytest.ExitCode.OK
    assert not executed(trap)


def test_no_code_runs_in_a_data_folder_named_in_the_settings(trap: Project) -> None:
    (trap.root / "data").rename(trap.root / "test_set")
    trap.write("safegen.toml", 'data = "test_set"')
    assert trap.gate(data=None).ret == pytest.ExitCode.OK
    assert not executed(trap)


def test_no_code_runs_in_a_data_folder_inside_the_tests(trap: Project) -> None:
    (trap.root / "tests").mkdir()
    (trap.root / "data").rename(trap.root / "tests/data")
    trap.write("tests/test_own.py", "def test_own(): pass")
    assert trap.gate("tests", data="tests/data").ret == pytest.ExitCode.OK
    assert not executed(trap)


def test_no_code_runs_in_a_data_folder_in_testpaths(trap: Project) -> None:
    trap.pytester.makeini("[pytest]\ntestpaths = data")
    assert trap.gate().ret == pytest.ExitCode.OK
    assert not executed(trap)


def test_the_trap_works_without_the_gate(trap: Project) -> None:
    trap.run("data")
    assert executed(trap)
