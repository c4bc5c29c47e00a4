"""Labels are read as people write them."""

from __future__ import annotations

import pytest

from safegen_detectors.longitudinal.inputs.metadata import is_treated

STATED = {
    "exponential": {"doubling_days": "90"},
    "linear": {"mm_per_year": "12"},
    "gompertz": {"carrying_capacity_ml": "40", "gompertz_decay_per_day": "0.004"},
    "logistic": {"carrying_capacity_ml": "40", "growth_rate_per_day": "0.01"},
    "fisher-kpp": {"diffusion_mm2_per_day": "0.1", "proliferation_per_day": "0.012"},
    "stable": {},
}


@pytest.mark.parametrize("text", ["no", "not treated", "none yet", "planned", "pre-treatment", "-"])
def test_a_planned_or_absent_treatment_does_not_count(text):
    assert not is_treated({"treated": text})


@pytest.mark.parametrize("text", ["yes", "1", "2020-01-01", "radiotherapy", "post-treatment"])
def test_a_treatment_is_recognised_as_people_write_it(text):
    assert is_treated({"treated": text})
