"""What the check learns from real scans."""

from __future__ import annotations

import pytest
from memorization_cohort import fitted_cohort

from pytest_safegen import Fitted, ScanTarget
from safegen_detectors.memorization import MemorizationDetector

pytestmark = pytest.mark.slow


@pytest.fixture
def reference() -> list[ScanTarget]:
    return fitted_cohort().reference


@pytest.fixture
def learned() -> Fitted:
    return fitted_cohort().learned


def test_a_fit_gives_the_same_twice(reference: list[ScanTarget], learned: Fitted) -> None:
    assert MemorizationDetector().fit(reference, seed=0).held_out == learned.held_out


def test_a_salted_profile_holds_no_name(reference: list[ScanTarget]) -> None:
    facts = MemorizationDetector(salt="secret").fit(reference, seed=0).facts

    assert "sub-" not in str(facts)
