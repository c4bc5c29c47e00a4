"""What is stated of a lesion's growth is read as it is meant, and held against its volumes."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.integrate import solve_ivp

from pytest_safegen import Scan, ScanRef
from safegen_detectors.longitudinal.inputs.growth_statement import (
    REQUIRED_COLUMNS,
    GrowthStatement,
    UnusableStatement,
    parse_growth_direction,
    parse_growth_statement,
)
from safegen_detectors.longitudinal.inputs.metadata import is_treated
from safegen_detectors.longitudinal.maths.growth import volume_jump, volume_series
from safegen_detectors.longitudinal.measures.growth import growth_measures

STATED = {
    "exponential": {"doubling_days": "90"},
    "linear": {"mm_per_year": "12"},
    "gompertz": {"carrying_capacity_ml": "40", "gompertz_decay_per_day": "0.004"},
    "logistic": {"carrying_capacity_ml": "40", "growth_rate_per_day": "0.01"},
    "fisher-kpp": {"diffusion_mm2_per_day": "0.1", "proliferation_per_day": "0.012"},
    "stable": {},
}


def stated(model: str) -> GrowthStatement:
    found = parse_growth_statement({"growth_model": model, **STATED[model]})
    assert isinstance(found, GrowthStatement)
    return found


def slope(model: str, volume: float) -> float:
    """dV/dt in ml a day, from the differential equation of each model."""
    radius = (3 * 1000 * volume / 4 / math.pi) ** (1 / 3)
    surface = 4 * math.pi * radius**2 / 1000
    return {
        "exponential": math.log(2) / 90 * volume,
        "linear": surface * 6 / 365.25,
        "gompertz": 0.004 * volume * math.log(40 / volume),
        "logistic": 0.01 * volume * (1 - volume / 40),
        "fisher-kpp": surface * 2 * math.sqrt(0.1 * 0.012),
        "stable": 0.0,
    }[model]


@pytest.mark.parametrize("model", REQUIRED_COLUMNS)
def test_a_model_solves_its_differential_equation(model):
    solved = solve_ivp(
        lambda _, v: [slope(model, v[0])], (0, 200), [2.0], rtol=1e-8, t_eval=[80, 200]
    )

    found = [stated(model).volume(2.0, day) for day in (80, 200)]

    assert found == pytest.approx(solved.y[0].tolist(), rel=1e-4)


@pytest.mark.parametrize("model", REQUIRED_COLUMNS)
def test_the_ratio_over_two_steps_is_that_of_both(model):
    one = stated(model)

    whole = one.log_ratio(2.0, days_before=0, days=200)
    parts = one.log_ratio(2.0, days_before=0, days=80) + one.log_ratio(
        2.0, days_before=80, days=120
    )

    assert parts == pytest.approx(whole)


@pytest.mark.parametrize("model", ["exponential", "linear"])
def test_a_stated_doubling_time_doubles_the_volume(model):
    found = parse_growth_statement({"growth_model": model, "doubling_days": "90"})

    assert found.volume(3.0, 90) == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("labels", "model"),
    [
        ({"vdt_days": "60"}, "exponential"),
        ({"percent_per_month": "10"}, "exponential"),
        ({"diameter_mm_per_year": "4"}, "linear"),
        ({"diffusion_mm2_per_day": "0.1", "proliferation_per_day": "0.01"}, "fisher-kpp"),
        ({"growth_model": "Fisher_KPP", **STATED["fisher-kpp"]}, "fisher-kpp"),
        ({"growth_model": "stable"}, "stable"),
    ],
)
def test_a_statement_is_read_as_people_write_it(labels, model):
    assert parse_growth_statement(labels).model == model


@pytest.mark.parametrize("model", [name for name in REQUIRED_COLUMNS if name != "stable"])
def test_a_model_without_its_numbers_is_unread_and_says_what_it_needs(model):
    found = parse_growth_statement({"growth_model": model, "percent_per_month": "fast"})

    assert isinstance(found, UnusableStatement)
    assert REQUIRED_COLUMNS[model].split(",")[0].split()[0] in found.why


def test_without_words_nothing_is_stated():
    assert parse_growth_statement({"pathology": "glioma", "doubling_days": "n/a"}) is None


@pytest.mark.parametrize(
    ("prompt", "direction"),
    [
        ("a growing glioblastoma", 1),
        ("progressive disease", 1),
        ("stable meningioma", 0),
        ("the tumour is shrinking after therapy", -1),
        ("no growth, stable", 0),
        ("not growing", None),
        ("first growing, then shrinking", None),
        ("a glioblastoma", None),
        ("ingrown hair", None),
        ("secondary progressive multiple sclerosis", None),
        ("a lesion with increased signal", None),
        ("increasing in size", 1),
        ("no evidence of progression", None),
        ("no significant interval growth", None),
        ("growth was not seen", None),
        ("progression-free", None),
        ("it stops growing", None),
        ("a slow-growing meningioma", None),
        ("growth hormone deficiency", None),
        ("no oedema, a growing tumour", 1),
    ],
)
def test_a_direction_is_read_from_the_prompt(prompt, direction):
    assert parse_growth_direction({"prompt": prompt}) == direction


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
    assert worst({0: 4, 2: 16, 4: 8}, **GROWING)["order_doubt"] == 1.0
    assert worst({0: 4, 2: 8, 4: 16}, **GROWING)["order_doubt"] == 0.0


def test_growth_that_fits_in_no_order_is_not_called_exchanged():
    assert worst({0: 4, 2: 30, 4: 31}, **GROWING)["order_doubt"] == 0.0


def test_without_a_statement_exchanged_timepoints_are_a_doubt():
    assert worst({0: 16, 2: 8, 4: 4}, pathology="glioblastoma")["order_doubt"] == 0.5


def test_treated_lesions_may_shrink():
    found = worst({0: 16, 2: 8}, pathology="glioblastoma", treated="yes", prompt="growing")

    assert "untreated_shrinkage" not in found
    assert "direction_deviation" not in found
    assert "order_doubt" not in found


def test_untreated_glioblastoma_that_halves_is_told():
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


def test_a_fast_growth_is_told_in_a_radiologists_words():
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


def test_timepoints_that_tell_different_directions_have_none():
    series = volume_series([ball(0, 4), ball(2, 8, growth="growing"), ball(4, 8, growth="stable")])

    assert series.direction is None
    assert "direction_deviation" not in {measure.name for measure in growth_measures(series)}


@pytest.mark.parametrize("text", ["no", "not treated", "none yet", "planned", "pre-treatment", "-"])
def test_a_treatment_that_has_not_been_excuses_nothing(text):
    assert not is_treated({"treated": text})


@pytest.mark.parametrize("text", ["yes", "1", "2020-01-01", "radiotherapy", "post-treatment"])
def test_a_treatment_is_known_as_people_write_it(text):
    assert is_treated({"treated": text})


@pytest.mark.parametrize(
    "numbers",
    [
        {"doubling_days": "1e-320"},
        {"mm_per_year": "1e300"},
        {"diffusion_mm2_per_day": "1e200", "proliferation_per_day": "1e200"},
    ],
)
def test_growth_beyond_all_numbers_is_not_compared(numbers):
    assert isinstance(parse_growth_statement(numbers), UnusableStatement)


def excluded(*radii: float, months: float = 6.0, **labels: str) -> float | None:
    """Whether stated growth is excluded by two balls of these radii (voxels)."""
    told = {"pathology": "glioblastoma", "growth": "growing", **labels}
    series = volume_series([ball(n * months, radius, **told) for n, radius in enumerate(radii)])
    found = {measure.name: measure.value for measure in growth_measures(series)}
    return found.get("growth_excluded")


def test_a_glioblastoma_that_is_said_to_grow_and_stays_for_months_has_not_grown():
    assert excluded(12, 12) == 1
    assert excluded(12, 13) == 0


@pytest.mark.parametrize(
    "labels", [{"pathology": "meningioma"}, {"pathology": ""}, {"growth": "shrinking"}]
)
def test_what_may_stand_still_is_not_excluded(labels):
    assert excluded(12, 12, **labels) is None


def test_a_few_weeks_exclude_nothing():
    assert excluded(12, 12, months=1.0) is None
