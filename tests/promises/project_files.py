"""What the promise tests know of the project's files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
GATE, DETECTORS, REPORTS = "pytest_safegen", "safegen_detectors", "safegen_reports"
PACKAGES = {
    GATE: ROOT / GATE,
    DETECTORS: ROOT / "detectors" / DETECTORS,
    REPORTS: ROOT / "reports" / REPORTS,
}
README = ROOT / "README.md"


def modules(package: str) -> dict[str, Path]:
    """Every module of a package by its full name."""
    folder = PACKAGES[package]
    return {_name(path, folder.parent): path for path in sorted(folder.rglob("*.py"))}


def imported(path: Path, *, types_too: bool = True) -> Iterator[tuple[str, str | None]]:
    """What a module imports, as (module, name); the name is None for `import module`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = () if types_too else tuple(_for_types_only(tree))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def imported_modules(path: Path, *, types_too: bool = True) -> set[str]:
    """The modules that a module imports; `from package import module` counts as that module."""
    found = set()
    for module, name in imported(path, types_too=types_too):
        inner = f"{module}.{name}"
        found.add(inner if inner in _known() else module)
    return found


def _known() -> set[str]:
    return {name for package in PACKAGES for name in modules(package)}


def _name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _for_types_only(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                yield from ast.walk(statement)
