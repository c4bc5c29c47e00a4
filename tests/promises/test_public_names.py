"""`pytest_safegen` offers its names lazily, and type checkers see the same ones."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from project_files import GATE, PACKAGES

import pytest_safegen


def names_for_type_checkers() -> set[str]:
    """The names that the `if TYPE_CHECKING` block of the package imports."""
    tree = ast.parse((PACKAGES[GATE] / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}


@pytest.mark.parametrize("name", pytest_safegen.__all__)
def test_a_public_name_resolves(name: str) -> None:
    assert getattr(pytest_safegen, name) is not None


@pytest.mark.parametrize("name", pytest_safegen.__all__)
def test_a_public_name_is_listed(name: str) -> None:
    assert name in dir(pytest_safegen)


def test_type_checkers_see_the_same_names() -> None:
    assert names_for_type_checkers() | {"__version__"} == set(pytest_safegen.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'nothing'"):
        getattr(pytest_safegen, "nothing")  # noqa: B009  a type checker would object


def test_importing_the_package_imports_none_of_its_modules() -> None:
    code = "import sys, pytest_safegen; print([m for m in sys.modules if 'safegen.' in m])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
