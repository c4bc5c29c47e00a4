"""Every reason why a file cannot be read has a headline for the report."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_safegen import readers

FOLDER = Path(readers.__file__).parent
LONGEST = 90


def errors() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "ReadError":
                yield f"{path.name}:{node.lineno}", node


CALLS = dict(errors())


def test_there_are_errors_to_check() -> None:
    assert len(CALLS) > 20


@pytest.mark.parametrize("place", CALLS)
def test_an_error_has_a_short_headline(place: str) -> None:
    headline = next(word.value for word in CALLS[place].keywords if word.arg == "headline")
    constants = [part.value for part in ast.walk(headline) if isinstance(part, ast.Constant)]
    assert 0 < sum(len(text) for text in constants if isinstance(text, str)) <= LONGEST


def test_the_same_damage_has_the_same_message_in_every_format() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py"))
    assert text.count("is truncated or corrupt") == 1
