"""Headlines and messages: short, in the field's words, with the place in mm and no scores."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from anomaly_gate import gate
from hypothesis import given, settings, strategies as st
from scipy import ndimage

from pytest_safegen import Scan
from pytest_safegen.api import FAMILIES
from pytest_safegen.testing import phantom, with_noise_ball
from safegen_detectors.anomaly.messages import (
    FAULT_TYPES,
    HEADLINE_LENGTH,
    global_headline,
    global_message,
    local_headline,
    local_message,
)
from safegen_detectors.explain.region import Region

pytestmark = pytest.mark.slow

BOX = ((-32.0, 10.0, 20.0), (-14.0, 30.0, 41.0))
SIDES = (("left", "right"), ("posterior", "anterior"), ("inferior", "superior"))
PARTS = [
    " ".join(word for word in (x, y, z) if word) or "central"
    for x in ("", *SIDES[0])
    for y in ("", *SIDES[1])
    for z in ("", *SIDES[2])
]


def region(volume_ml: float = 9.0, part: str = "right anterior") -> Region:
    return Region(volume_ml, BOX, 2.0, (-20.0, 20.0, 30.0), "right", part)


@cache
def measure_names() -> tuple[str, ...]:
    facts = gate("image-quality").profile.facts["methods"]["image-quality"]
    return tuple(facts["measures"])


def blurred(scan: Scan) -> Scan:
    return replace(scan, voxels=ndimage.gaussian_filter(scan.voxels, 1.5).astype(np.float32))


def noisy(scan: Scan) -> Scan:
    noise = np.random.default_rng(0).normal(0, 10, scan.voxels.shape) * (scan.voxels > 0)
    return replace(scan, voxels=(scan.voxels + noise).astype(np.float32))


# headlines


def test_a_headline_on_a_region_names_fault_volume_and_place() -> None:
    assert local_headline(region(), "noise") == "Noise-like region, 9 ml, right anterior"


def test_a_headline_without_a_known_fault_says_that_the_region_is_abnormal() -> None:
    assert local_headline(region(), None) == "Abnormal region, 9 ml, right anterior"


def test_every_group_of_the_fault_bank_has_words() -> None:
    assert {family.group for family in FAMILIES.values() if family.local} <= set(FAULT_TYPES)


@given(
    volume=st.floats(0, 1e7),
    part=st.sampled_from(PARTS),
    group=st.none() | st.sampled_from(sorted(FAULT_TYPES)) | st.text(max_size=300),
)
def test_a_headline_on_a_region_has_at_most_90_characters(
    volume: float, part: str, group: str | None
) -> None:
    assert len(local_headline(region(volume, part), group)) <= HEADLINE_LENGTH


@settings(deadline=None)  # the first example fits a profile
@given(data=st.data())
def test_a_headline_on_the_whole_scan_has_at_most_90_characters(data: st.DataObject) -> None:
    names = measure_names()
    numbers = st.floats(-30, 30)
    values = data.draw(st.lists(numbers, min_size=len(names), max_size=len(names)))

    headline = global_headline(dict(zip(names, values, strict=True)))

    assert headline.startswith("Whole scan")
    assert len(headline) <= HEADLINE_LENGTH


def test_every_measure_has_an_appearance() -> None:
    unnamed = [
        name
        for name in measure_names()
        if global_headline({name: 1.0}) == "Whole scan unlike real scans"
    ]

    assert unnamed == []


@pytest.mark.parametrize(
    ("change", "headline"),
    [(blurred, "Whole scan blurred"), (noisy, "Whole scan noisy or over-sharpened")],
)
def test_the_headline_names_what_happened_to_the_whole_scan(change: object, headline: str) -> None:
    score = gate("image-quality").score(change(phantom(52)))  # type: ignore[operator]

    assert score.headline == headline


def test_a_scan_with_a_fault_gets_a_headline_with_volume_and_place() -> None:
    corrupted, _ = with_noise_ball(phantom(51), radius=16.0)

    headline = gate("artefact-segmentation").score(corrupted).headline

    assert re.fullmatch(r"[A-Z][a-z, -]+, [\d.]+ ml, [a-z ]+", headline)


# messages


def test_a_message_on_a_region_is_one_clause_with_place_and_feature() -> None:
    assert local_message(region(), "noise", "unusually high coarse texture") == (
        "a region of 9 ml in the right anterior part, x -32 to -14, y 10 to 30, z 20 to 41 mm, "
        "resembles noise, with unusually high coarse texture"
    )


def test_a_message_on_the_whole_scan_names_its_most_abnormal_measures() -> None:
    deviations = {"mean edges": -9.0, "outline": 0.1, "volume": 4.0, "symmetry": 5.0}

    assert global_message(deviations, None) == (
        "the whole scan is unlike real scans, with low mean edges, high symmetry and high volume"
    )


def test_a_message_on_the_whole_scan_says_where_it_is_worst() -> None:
    assert global_message({"volume": 4.0}, region()).endswith(
        "with high volume, most strongly in 9 ml in the right anterior part, "
        "x -32 to -14, y 10 to 30, z 20 to 41 mm"
    )


@pytest.mark.parametrize("methods", [("artefact-segmentation",), ("image-quality",), ()])
def test_no_message_holds_a_score_or_ends_with_a_full_stop(methods: tuple[str, ...]) -> None:
    corrupted, _ = with_noise_ball(phantom(51), radius=16.0)

    message = gate(*methods).score(corrupted).message

    assert not re.search(r"standard deviation| sd\b|tail", message)
    assert not message.endswith(".")
