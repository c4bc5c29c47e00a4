"""Which scans count as one person."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from memorization_fields import BODIES, index_for

from pytest_safegen.prepare.options import Alignment
from safegen_detectors.memorization.identities import find_identities, same_identity
from safegen_detectors.memorization.search.index import (
    Index,
)
from safegen_detectors.memorization.search.match import Likeness
from safegen_detectors.memorization.search.poses import Pose

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bodies() -> Index:
    return index_for(BODIES)


@pytest.mark.parametrize(("align", "expected"), [("affine", (12,)), ("centre", ())])
def test_twins_count_as_one_person_but_crops_that_are_alike_do_not(
    bodies: Index, align: Alignment, expected: tuple[int, ...]
) -> None:
    options = replace(bodies.template.options, align=align)
    index = replace(
        bodies,
        template=replace(bodies.template, options=options),
        names=tuple(f"sub-{n}" for n in range(13)),
    )
    cosines = torch.rand(13, 50, generator=torch.Generator().manual_seed(0)) / 10
    cosines[12] += 0.5
    found = [Likeness(cosines[1:], Pose(), inverted=False, full_reach=True)]

    assert same_identity(found, [0], index) == expected


def test_the_same_person_under_two_names_gets_one(bodies: Index) -> None:
    doubled = torch.cat([bodies.descriptors, bodies.descriptors[:, 3:4]], 1)

    persons = find_identities(doubled, [*bodies.names, "sub-99"])

    assert (persons[5], len(set(persons))) == ("sub-3", 5)
