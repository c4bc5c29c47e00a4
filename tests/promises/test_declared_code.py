"""What decides a score is declared, so that no stale profile is taken for a fresh one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from project_files import DETECTORS, GATE, imported, imported_modules, modules

from pytest_safegen import api
from pytest_safegen.config.plugins import build_manager, detectors
from pytest_safegen.config.settings import Settings
from pytest_safegen.profiles.digest import GATE_CODE

pytestmark = pytest.mark.slow

KNOWN = {**modules(GATE), **modules(DETECTORS)}
FOUND = detectors(build_manager(Settings(Path.cwd())), Settings(Path.cwd()))


NO_NUMBERS = (f"{GATE}.config", f"{GATE}.results.files")
"""Rooms that detectors use and that change no number: settings, hooks, names of files."""


def reached(starts: Iterable[str]) -> set[str]:
    """The project's modules that these import, directly or through others."""
    pending, seen = list(starts), set()
    while pending:
        module = pending.pop()
        if module in KNOWN and module not in seen:
            seen.add(module)
            pending += imported_modules(KNOWN[module], types_too=False)
    return seen


def covered(module: str, code: Iterable[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in code)


@pytest.mark.parametrize("check", FOUND)
def test_a_detector_declares_all_code_of_detectors_that_it_uses(check: str) -> None:
    detector = FOUND[check]
    module = type(detector).__module__
    code = getattr(detector, "code", (module.rpartition(".")[0],))
    used = {name for name in reached([module]) if name.startswith(f"{DETECTORS}.")}
    assert [name for name in sorted(used) if not covered(name, code)] == []


@pytest.mark.parametrize("module", sorted(modules(DETECTORS)))
def test_what_a_detector_uses_of_the_gate_is_in_the_digest(module: str) -> None:
    names = {n for source, n in imported(KNOWN[module], types_too=False) if source == api.__name__}
    homes = {api._HOME_OF[name] for name in names if name}
    assert [h for h in sorted(homes) if not covered(h, (*GATE_CODE, *NO_NUMBERS))] == []
