"""What is in the distribution."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points, metadata

import pytest
from project_files import PACKAGES, ROOT

import pytest_safegen

pytestmark = pytest.mark.slow

INSIDE = [
    path.relative_to(folder.parent).as_posix()
    for folder in PACKAGES.values()
    for path in sorted(folder.rglob("*"))
    if path.is_file() and "__pycache__" not in path.parts
]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_typed(package: str) -> None:
    assert (PACKAGES[package] / "py.typed").is_file()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in the wheel."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed; `pip install hatchling` runs this test")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        return set(archive.namelist())


def test_every_file_of_the_packages_is_in_the_wheel(wheel: set[str]) -> None:
    assert set(INSIDE) - wheel == set()


@pytest.mark.parametrize("ending", [".html", ".css", ".js", "py.typed"])
def test_the_wheel_holds_more_than_code(wheel: set[str], ending: str) -> None:
    assert any(name.endswith(ending) for name in wheel)


def test_nothing_else_is_in_the_wheel(wheel: set[str]) -> None:
    others = [name for name in wheel - set(INSIDE) if ".dist-info/" not in name]
    assert others == []


def test_the_licence_is_in_the_wheel(wheel: set[str]) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in wheel)


def test_the_version_is_that_of_the_package() -> None:
    assert metadata("pytest-safegen")["Version"] == pytest_safegen.__version__


@pytest.mark.parametrize("group", ["pytest11", "pytest_safegen", "console_scripts"])
def test_an_entry_point_loads(group: str) -> None:
    own = [e for e in entry_points(group=group) if e.dist and e.dist.name == "pytest-safegen"]
    assert [entry.load() for entry in own]
