"""What a score says: whom, how much, how it lies, and where in mm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from pytest_safegen import Prepared
from safegen_detectors.memorization.copied_region import CopiedRegion
from safegen_detectors.memorization.match_kind import MatchKind
from safegen_detectors.memorization.messages import Match, headline, measures_of, message
from safegen_detectors.memorization.search.margins import Margins
from safegen_detectors.memorization.search.match import Likeness
from safegen_detectors.memorization.search.orientation import OrientedScan
from safegen_detectors.memorization.search.poses import Pose

pytestmark = pytest.mark.slow

MOST_CHARACTERS = 90
BOX = (np.array([-40.2, -80.0, -30.0]), np.array([60.0, 20.0, 55.0]))


def match_of(
    kind: MatchKind,
    name: str = "sub-012",
    *,
    share: float = 0.72,
    box: tuple[np.ndarray, np.ndarray] | None = BOX,
    likeness: Likeness | None = None,
) -> Match:
    likeness = likeness or Likeness(torch.zeros(1, 1), Pose(), inverted=False, full_reach=True)
    zeros = torch.zeros(1)
    margins = Margins(0, (1.0, 2.0, 3.0, 0.0), zeros, zeros, likeness)
    blank = np.zeros((1, 1, 1), np.float32)
    prepared = Prepared(blank, blank > 0, np.diag([2.0, 2.0, 2.0, 1.0]), np.eye(4))
    region = CopiedRegion(blank, share, 0.98, box)
    return Match(kind, name, region, margins, OrientedScan(prepared, Pose()))


COPY = match_of(MatchKind.COPY)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (MatchKind.COPY, "Copy of training patient sub-012 (72 % of the scan)"),
        (MatchKind.LINKED, "Probably the same person as training patient sub-012"),
        (MatchKind.SUSPECT, "Unusually similar to training patient sub-012"),
        (MatchKind.PASS, "Most similar to training patient sub-012"),
    ],
)
def test_each_kind_has_a_headline(kind: MatchKind, expected: str) -> None:
    assert headline(match_of(kind)) == expected


def test_a_copy_without_a_region_is_called_faint() -> None:
    faint = match_of(MatchKind.COPY, share=0.0, box=None)

    assert headline(faint) == "Faint copy of training patient sub-012"
    assert message(faint) == "the scan resembles training patient sub-012 a little everywhere"


def test_the_message_holds_the_region_in_mm() -> None:
    assert message(COPY) == (
        "72 % of the scan is a copy of training patient sub-012, "
        "within x -40 to 60, y -80 to 20, z -30 to 55 mm"
    )


def test_the_message_says_how_a_copy_was_changed() -> None:
    likeness = replace(
        COPY.margins.likeness,
        pose=Pose(flips=(True, False, False)),
        inverted=True,
        displacement=(3, 0, 4),
    )
    changed = match_of(MatchKind.COPY, likeness=likeness)

    changes = "mirrored left-right, with inverted contrast, displaced by 10 mm"
    assert f"sub-012, {changes}, within" in message(changed)


def test_the_smallest_share_is_not_zero() -> None:
    assert "(under 1 % of the scan)" in headline(match_of(MatchKind.COPY, share=0.0004))


def test_every_measure_has_a_message_and_a_headline() -> None:
    measures = measures_of(COPY, 0.9, 0.8)

    assert [one.name for one in measures if not one.message or not one.headline] == []


@given(
    kind=st.sampled_from(MatchKind),
    name=st.text(min_size=1, max_size=200),
    share=st.floats(0, 1),
    box=st.sampled_from([None, BOX]),
)
def test_headlines_have_at_most_90_characters(
    kind: MatchKind, name: str, share: float, box: tuple[np.ndarray, np.ndarray] | None
) -> None:
    match = match_of(kind, name, share=share, box=box)

    headlines = [headline(match), *(one.headline for one in measures_of(match, share, 0.5))]

    assert max(map(len, headlines)) <= MOST_CHARACTERS
