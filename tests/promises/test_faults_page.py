"""docs/faults.md lists every family of faults, as it is."""

from __future__ import annotations

import re

import pytest
from project_files import ROOT

from pytest_safegen.faults import FAMILIES

PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
ROWS = {
    row[0]: row[1:] for row in re.findall(r"^\| `([^`]+)` \| (\w+) \| ([A-Z ]+) \|", PAGE, re.M)
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_on_the_page_with_its_group_and_modalities(name: str) -> None:
    family = FAMILIES[name]
    modalities = " ".join(m.upper() for m in ("mr", "ct") if m in family.modalities)
    assert ROWS[name] == (family.group, modalities)


def test_nothing_else_is_on_the_page() -> None:
    assert set(ROWS) - set(FAMILIES) == set()


def test_local_and_global_families_are_told_apart() -> None:
    local, whole = PAGE.split("### ")[1:]
    assert [name for name in FAMILIES if f"| `{name}` |" in local] == [
        name for name, family in FAMILIES.items() if family.local
    ]
    assert "without a mask" in whole


def test_the_page_counts_right() -> None:
    local = sum(family.local for family in FAMILIES.values())
    counts = (
        f"{len(FAMILIES)} families: {local} in a place, with a mask; {len(FAMILIES) - local} of"
    )
    assert counts in PAGE


def test_the_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    exec(code, {})  # noqa: S102  our own page
