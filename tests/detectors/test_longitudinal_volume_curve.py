"""The volume over time that the report draws agrees with what the check judges."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pytest_safegen import Scan, ScanRef
from safegen_detectors.longitudinal.inputs.pathologies import (
    DAYS_PER_MONTH,
    GROWTH_BANDS,
    GrowthBand,
)
from safegen_detectors.longitudinal.maths.growth import fastest_log_ratio, growth_speed
from safegen_detectors.longitudinal.measures.volume_curve import curve_measures


@given(
    st.sampled_from(GROWTH_BANDS),
    st.floats(0.1, 50),
    st.floats(1, 400),
    st.floats(0, 0.2),
)
def test_the_fastest_believable_growth_has_a_speed_of_one(
    band: GrowthBand, first: float, days: float, noise: float
) -> None:
    ratio = fastest_log_ratio(first, days=days, noise=noise, band=band)
    speed = growth_speed(first, first * math.exp(ratio), days=days, noise=noise, band=band)
    assert speed == pytest.approx(1.0, rel=1e-6)


def _scan(months: float | None, side: int, **labels: str) -> Scan:
    voxels = np.zeros((20, 20, 20), dtype=np.float32)
    mask = np.zeros(voxels.shape, dtype=bool)
    mask[:side, :side, :side] = True
    ref = ScanRef("a.nii", "a", None, "T1w", Path("a.nii"), months, labels=labels)
    return Scan(ref, voxels, np.eye(4), mask)


def _named(scans: list[Scan]) -> dict[str, float]:
    return {measure.name: measure.value for measure in curve_measures(scans)}


def test_each_timepoint_has_its_volume() -> None:
    found = _named([_scan(0, 10), _scan(3, 12)])
    assert found["lesion_volume@0"] == pytest.approx(1.0)
    assert found["lesion_volume@3"] == pytest.approx(1.728)


def test_the_stated_curve_doubles_after_the_stated_time() -> None:
    stated = {"growth_model": "exponential", "doubling_days": str(3 * DAYS_PER_MONTH)}
    found = _named([_scan(0, 10, **stated), _scan(3, 12, **stated)])
    assert found["lesion_volume_stated@3"] == pytest.approx(2.0)


def test_where_nothing_is_stated_no_curve_is() -> None:
    assert not any("stated" in name for name in _named([_scan(0, 10), _scan(3, 12)]))


@pytest.mark.parametrize("months", [(0, None), (0, 0)])
def test_one_known_month_is_no_curve(months) -> None:
    assert curve_measures([_scan(months[0], 10), _scan(months[1], 12)]) == []
