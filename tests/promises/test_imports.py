"""Imports run one way, and the plug-ins that come with the gate use what a stranger's may use."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from project_files import DETECTORS, GATE, PACKAGES, REPORTS, ROOT, imported, modules

import pytest_safegen

PUBLIC_MODULES = {GATE, f"{GATE}.api", f"{GATE}.testing"}
PLUGINS = {**modules(DETECTORS), **modules(REPORTS)}
FOLDERS = [folder for path in PACKAGES.values() for folder in (path, *path.rglob("*"))]
ROOMS = [folder for folder in FOLDERS if (folder / "__init__.py").is_file()]


def test_every_contract_of_imports_is_kept() -> None:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
    ]
    done = subprocess.run(
        [*command, "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONUTF8": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", sorted(PLUGINS))
def test_a_plug_in_imports_only_public_names(module: str) -> None:
    """Those that it needs for types only count too, which no contract sees."""
    hidden = [
        (source, name)
        for source, name in sorted(imported(PLUGINS[module]), key=str)
        if source.partition(".")[0] == GATE
        and (source not in PUBLIC_MODULES or name not in (None, *pytest_safegen.__all__))
    ]
    assert hidden == []


@pytest.mark.parametrize("folder", ROOMS, ids=lambda folder: folder.name)
def test_a_room_says_what_lives_there(folder: Path) -> None:
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert docstring
