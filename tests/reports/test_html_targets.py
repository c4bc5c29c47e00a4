from __future__ import annotations

import string

import pytest
from hypothesis import given, strategies as st

from safegen_reports.html.targets import page_stem, slug

pytestmark = pytest.mark.slow

SAFE = set(string.ascii_lowercase + string.digits + "-")


@given(st.text())
def test_a_page_name_holds_only_safe_characters(target) -> None:
    assert set(page_stem(target)) <= SAFE


@given(st.text(min_size=300, max_size=400))
def test_a_page_name_is_short_enough_for_any_file_system(target) -> None:
    assert len(page_stem(target)) <= 80


def test_a_page_name_can_be_read() -> None:
    assert slug("Sub-01/Année 1_T1w") == "sub-01-annee-1-t1w"


@pytest.mark.parametrize(("one", "other"), [("a b", "a_b"), ("é", "e"), ("日", "本"), ("A", "a")])
def test_two_targets_never_share_a_page(one, other) -> None:
    assert page_stem(one) != page_stem(other)
