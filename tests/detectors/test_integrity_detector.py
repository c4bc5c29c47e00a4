"""The integrity check: every planted fault fails, and plausible scans pass."""

from __future__ import annotations

import numpy as np
import pytest
from integrity_scans import (
    FAULTS,
    ct_scan,
    nan_block,
    profile_of,
    sane_scan,
    score_of,
    target_of,
    verdict_of,
)

from pytest_safegen import (
    Detector,
    Profile,
    Verdict,
)
from safegen_detectors.integrity import IntegrityDetector


@pytest.fixture(scope="module")
def mr_profile() -> Profile:
    return profile_of([sane_scan(seed) for seed in range(20)])


@pytest.fixture(scope="module")
def ct_profile() -> Profile:
    return profile_of([ct_scan(seed) for seed in range(20)])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_without_a_reference(fault: str) -> None:
    assert verdict_of(FAULTS[fault](sane_scan())) is Verdict.FAIL


def test_a_sane_scan_passes_without_a_reference() -> None:
    assert verdict_of(sane_scan()) is Verdict.PASS


def test_a_sane_scan_passes_with_a_reference(mr_profile: Profile) -> None:
    assert verdict_of(sane_scan(99), mr_profile) is Verdict.PASS


def test_it_is_a_detector() -> None:
    assert isinstance(IntegrityDetector(), Detector)


def test_scores_come_in_the_order_of_the_targets() -> None:
    targets = [target_of(sane_scan()), target_of(nan_block(sane_scan()))]
    scores = IntegrityDetector().open(None, device="cpu").score(targets)
    assert [score.heatmap is None for score in scores] == [True, False]


def test_every_measure_has_a_rule(ct_profile: Profile) -> None:
    names = {measure.name for measure in score_of(ct_scan(), ct_profile).measures}
    assert names == set(IntegrityDetector().rules)


def test_every_measure_is_finite_for_a_volume_without_a_finite_voxel(mr_profile: Profile) -> None:
    score = score_of(FAULTS["all_nan"](sane_scan()), mr_profile)
    assert all(np.isfinite(measure.value) for measure in score.measures)
