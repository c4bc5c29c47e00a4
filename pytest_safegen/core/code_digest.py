"""A digest of the code and the libraries that decide a number."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path


def code_digest(names: Iterable[str], libraries: Iterable[str] = ()) -> str:
    """The digest of some modules and packages, with everything in them, and versions of libraries.

    `names` are dotted names, `libraries` those of installed distributions. Comments, docstrings and
    layout do not count: they change no number. What cannot be parsed counts byte by byte.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    total = hashlib.blake2b(digest_size=16)
    for name in sorted(set(names)):
        for place, path in _sources(name):
            total.update(f"{name} {place}\n".encode() + _meaning(path.read_bytes()))
    for library in sorted(set(libraries)):
        total.update(f"{library} {_version(library)}\n".encode())
    return total.hexdigest()


def _sources(name: str) -> Iterator[tuple[str, Path]]:
    """Every Python file of a module or package, by its place in it."""
    spec = find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"There is no module {name}.", name=name)
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if folders:
        for folder in folders:
            for path in sorted(folder.rglob("*.py")):
                yield path.relative_to(folder).as_posix(), path
    elif spec.origin and Path(spec.origin).is_file():
        yield "", Path(spec.origin)


def _meaning(source: bytes) -> bytes:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return source
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
    return ast.dump(tree).encode("utf-8", "surrogatepass")


def _is_text(statement: object) -> bool:
    """True for a docstring, or a string that documents a constant."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"
