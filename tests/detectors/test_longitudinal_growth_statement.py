"""Stated growth is read as it is meant."""

from __future__ import annotations

import math

import pytest
from scipy.integrate import solve_ivp

from safegen_detectors.longitudinal.inputs.growth_statement import (
    REQUIRED_COLUMNS,
    GrowthStatement,
    UnusableStatement,
    parse_growth_direction,
    parse_growth_statement,
)

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
def test_a_model_without_its_numbers_is_unusable_and_names_them(model):
    found = parse_growth_statement({"growth_model": model, "percent_per_month": "fast"})

    assert isinstance(found, UnusableStatement)
    assert REQUIRED_COLUMNS[model].split(",")[0].split()[0] in found.reason


def test_a_pathology_alone_states_no_growth():
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


@pytest.mark.parametrize(
    "numbers",
    [
        {"doubling_days": "1e-320"},
        {"mm_per_year": "1e300"},
        {"diffusion_mm2_per_day": "1e200", "proliferation_per_day": "1e200"},
    ],
)
def test_implausible_numbers_are_unusable(numbers):
    assert isinstance(parse_growth_statement(numbers), UnusableStatement)
