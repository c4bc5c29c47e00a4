"""What the README names exists, what exists it names, and its code runs."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
from project_files import README

from pytest_safegen.config import hookspecs
from pytest_safegen.config.options import FILE_ONLY, OPTIONS, Option
from pytest_safegen.pytest_plugin.constants import FIXTURES

pytestmark = pytest.mark.slow

TEXT = README.read_text(encoding="utf-8")
HOOKS = {
    name: function
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction)
    if name.startswith("safegen_")
}

NO_BLOCK = pytest.param("", marks=pytest.mark.skip(reason="the README has no such block"))


def section(title: str) -> str:
    """The text below a heading, up to the next one."""
    match = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return match[1] if match else ""


def blocks(language: str) -> list[str]:
    """The code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_has_a_row_with_its_true_name(option: Option) -> None:
    assert f"| `{option.flag} {option.metavar}` |" in section("Options")


@pytest.mark.parametrize("flag", sorted(set(re.findall(r"--safegen-[a-z-]+", TEXT))))
def test_an_option_that_is_named_exists(flag: str) -> None:
    assert flag in {option.flag for option in OPTIONS}


@pytest.mark.parametrize(
    ("option", "choice"),
    [(option, choice) for option in OPTIONS for choice in option.choices],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_choice_is_named(option: Option, choice: str) -> None:
    (row,) = (line for line in section("Options").splitlines() if f"`{option.flag} " in line)
    assert f"`{choice}`" in row


@pytest.mark.parametrize("key", FILE_ONLY)
def test_a_key_of_the_settings_file_is_named(key: str) -> None:
    assert re.search(rf"`{key}[`.]", section("Options"))


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_a_row_with_its_true_signature(name: str) -> None:
    arguments = ", ".join(inspect.signature(HOOKS[name]).parameters)
    assert f"`{name}({arguments})`" in section("Your own check")


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_explains_itself_with_an_example(name: str) -> None:
    documentation = inspect.getdoc(HOOKS[name]) or ""
    assert f"def {name}(" in documentation


@pytest.mark.parametrize("fixture", FIXTURES)
def test_a_fixture_is_named(fixture: str) -> None:
    assert f"`{fixture}`" in section("Your own check")


@pytest.mark.parametrize("code", blocks("python") or [NO_BLOCK])
def test_python_code_runs(code: str) -> None:
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102  our own README


@pytest.mark.parametrize("code", blocks("toml") or [NO_BLOCK])
def test_toml_code_is_toml(code: str) -> None:
    assert tomllib.loads(code)


def test_the_detector_of_the_readme_keeps_the_contract() -> None:
    from pytest_safegen.testing import check_detector

    (code,) = (block for block in blocks("python") if "def safegen_detectors" in block)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(code, names)  # noqa: S102  our own README
    hook: Callable[..., Any] = names["safegen_detectors"]
    for detector in hook(settings=None):
        check_detector(detector)


def test_links_to_files_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)]+)\)", TEXT)
    assert [link for link in links if not (README.parent / link).exists()] == []
