"""Lesion volumes against closed forms, and against what is stated of their growth."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pytest_safegen import Scan, ScanRef
from safegen_detectors.longitudinal.inputs.pathologies import ANY_LESION, DAYS_PER_YEAR, growth_band
from safegen_detectors.longitudinal.maths.growth import (
    doubling_days,
    growth_speed,
    volume_jump,
    volume_noise,
    volume_series,
)
from safegen_detectors.longitudinal.measures.growth import growth_measures

positive = st.floats(0.01, 1000.0)


@given(days=positive, doublings=st.floats(0.01, 10.0))
def test_doubling_time_is_the_time_of_one_doubling(days, doublings):
    found = doubling_days(math.log(2) * doublings, days=days)

    assert found == pytest.approx(days / doublings)


def test_without_growth_the_doubling_time_is_infinite():
    assert doubling_days(0.0, days=10) == math.inf


@given(first=positive, factor=st.floats(1.0, 20.0), more=st.floats(1.01, 5.0))
def test_faster_growth_never_scores_lower(first, factor, more):
    options = {"days": 30.0, "noise": 0.05, "band": ANY_LESION}

    slow = growth_speed(first, first * factor, **options)

    assert growth_speed(first, first * factor * more, **options) >= slow


def test_growth_speed_is_one_at_the_limit_of_its_band():
    band = growth_band("glioblastoma")

    found = growth_speed(1.0, 2.0, days=band.limit, noise=0.0, band=band)

    assert found == pytest.approx(1.0)


def test_diameter_speed_is_in_millimetres_a_year():
    band = growth_band("low-grade glioma")
    volumes = [math.pi / 6 * d**3 / 1000 for d in (20.0, 45.0)]

    found = growth_speed(*volumes, days=DAYS_PER_YEAR, noise=0.0, band=band)

    assert found == pytest.approx(1.0)


def test_growth_speed_is_a_half_at_the_fastest_published_growth():
    band = growth_band("glioblastoma")

    found = growth_speed(1.0, 2.0, days=band.edge, noise=0.0, band=band)

    assert found == pytest.approx(0.5)


def test_growth_within_the_noise_has_no_speed():
    assert growth_speed(1.0, 1.1, days=1, noise=0.1, band=ANY_LESION) == 0.0


def test_a_lesion_below_one_and_a_half_voxels_across_cannot_be_measured():
    assert volume_noise(0.0017, spacing=(1.0, 1.0, 1.0)) is None
    assert volume_noise(0.005, spacing=(1.0, 1.0, 1.0)) == pytest.approx(0.222, abs=0.01)


def ball(month: float, ml: float, **labels: str) -> Scan:
    """A ball of that volume at 1 mm."""
    radius = (3 * 1000 * ml / 4 / math.pi) ** (1 / 3)
    mask = np.linalg.norm(np.indices((41, 41, 41)) - 20, axis=0) <= radius
    ref = ScanRef(f"{month}.nii", "a", None, "T1w", Path("a.nii"), month, labels=labels)
    return Scan(ref, mask.astype(np.float32), np.eye(4), mask)


def worst(volumes: dict[float, float], **labels: str) -> dict[str, float]:
    series = volume_series([ball(month, ml, **labels) for month, ml in volumes.items()])
    found: dict[str, float] = {}
    for measure in growth_measures(series):
        found[measure.name] = max(measure.value, found.get(measure.name, 0.0))
    return found


GROWING = {"pathology": "glioblastoma", "doubling_days": "60.875"}


def test_growth_as_stated_deviates_little():
    assert worst({0: 4, 2: 8, 4: 16}, **GROWING)["growth_deviation"] < 0.5


def test_growth_three_times_slower_than_stated_is_off():
    assert worst({0: 4, 6: 8}, **GROWING)["growth_deviation"] > 1


def test_two_timepoints_exchanged_are_found_by_the_stated_growth():
    assert worst({0: 4, 2: 16, 4: 8}, **GROWING)["timepoints_exchanged"] == 1.0
    assert worst({0: 4, 2: 8, 4: 16}, **GROWING)["timepoints_exchanged"] == 0.0


def test_growth_that_fits_in_no_order_is_not_called_exchanged():
    assert worst({0: 4, 2: 30, 4: 31}, **GROWING)["timepoints_exchanged"] == 0.0


def test_without_a_statement_exchanged_timepoints_are_uncertain():
    assert worst({0: 16, 2: 8, 4: 4}, pathology="glioblastoma")["timepoints_exchanged"] == 0.5


def test_treated_lesions_may_shrink():
    found = worst({0: 16, 2: 8}, pathology="glioblastoma", treated="yes", prompt="growing")

    assert "untreated_shrinkage" not in found
    assert "direction_deviation" not in found
    assert "timepoints_exchanged" not in found


def test_untreated_glioblastoma_that_halves_exceeds_its_limit():
    assert worst({0: 16, 2: 8}, pathology="glioblastoma")["untreated_shrinkage"] > 1


def test_lesions_of_multiple_sclerosis_may_shrink():
    assert worst({0: 16, 2: 8}, pathology="multiple sclerosis")["untreated_shrinkage"] < 1


def test_a_stable_lesion_that_doubles_is_off_its_direction():
    assert worst({0: 4, 12: 8}, prompt="stable meningioma")["direction_deviation"] > 1
    assert worst({0: 4, 12: 4.3}, prompt="stable meningioma")["direction_deviation"] < 1


def test_a_volume_that_jumps_and_comes_back_is_a_jump():
    jumping = worst({0: 4, 3: 4.1, 6: 12, 9: 4.3})

    assert jumping["volume_jump"] > 2
    assert worst({0: 4, 3: 6, 6: 9, 9: 13})["volume_jump"] == 0.0


def test_fast_growth_is_described_with_the_usual_doubling_time():
    series = volume_series([ball(m, ml, pathology="glioblastoma") for m, ml in ((0, 2), (0.3, 4))])
    message = next(m.message for m in growth_measures(series) if m.name == "growth_speed")

    assert message.startswith("the tumour doubles in 9.")
    assert "untreated glioblastoma doubles in 21 to 50 days" in message


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=6))
def test_a_change_in_one_direction_is_no_jump(steps):
    assert all(volume_jump(abs(a), abs(b), noise=0.1) == 0 for a, b in pairwise(steps))


def test_timepoints_that_state_different_growth_are_not_judged_by_one_of_them():
    series = volume_series([ball(0, 4, doubling_days="60"), ball(2, 8, doubling_days="90")])
    found = {measure.name: measure for measure in growth_measures(series)}

    assert "growth_deviation" not in found
    assert "doubling_days" in found["growth_statement_unread"].message


def test_timepoints_that_state_different_directions_have_none():
    series = volume_series([ball(0, 4), ball(2, 8, growth="growing"), ball(4, 8, growth="stable")])

    assert series.direction is None
    assert "direction_deviation" not in {measure.name for measure in growth_measures(series)}


def excluded(*radii: float, months: float = 6.0, **labels: str) -> float | None:
    """Whether stated growth is excluded by two balls of these radii (voxels)."""
    told = {"pathology": "glioblastoma", "growth": "growing", **labels}
    series = volume_series([ball(n * months, radius, **told) for n, radius in enumerate(radii)])
    found = {measure.name: measure.value for measure in growth_measures(series)}
    return found.get("growth_excluded")


def test_growth_of_an_unchanged_glioblastoma_over_months_is_excluded():
    assert excluded(12, 12) == 1
    assert excluded(12, 13) == 0


@pytest.mark.parametrize(
    "labels", [{"pathology": "meningioma"}, {"pathology": ""}, {"growth": "shrinking"}]
)
def test_growth_is_not_excluded_of_lesions_that_may_stand_still(labels):
    assert excluded(12, 12, **labels) is None


def test_growth_is_not_excluded_within_a_few_weeks():
    assert excluded(12, 12, months=1.0) is None
