"""The index, with and without a person."""

from __future__ import annotations

import pytest
from memorization_fields import BODIES, EQUAL, index_for, prepared, strongest

from safegen_detectors.memorization.search.index import (
    Index,
    person_names,
    person_numbers,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bodies() -> Index:
    return index_for(BODIES)


def test_a_person_left_out_is_not_found(bodies: Index) -> None:
    assert strongest(bodies.without(2), prepared(2)).value(EQUAL) < 3


def test_persons_after_one_left_out_keep_their_names(bodies: Index) -> None:
    others = bodies.without(2)

    assert others.names[strongest(others, prepared(4)).person] == "sub-4"


def test_nobody_left_out_changes_nothing(bodies: Index) -> None:
    assert bodies.without(-1) is bodies


def test_persons_are_counted_in_order_of_appearance() -> None:
    assert person_numbers(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]


def test_a_person_has_all_its_names() -> None:
    assert person_names(["x", "y", "z", "x"], ["x", "x", "z", "x"]) == ("x = y", "z")
