"""Scores of real patients who are left out or held out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from memorization_cohort import REFERENCE, SOURCE, STRANGER, called, fitted_cohort, scored

from pytest_safegen import Fitted, Profile, ProfileError, Recalibrates, Scorer, discover
from pytest_safegen.prepare.template import Template
from pytest_safegen.profiles.fit import Fitter
from pytest_safegen.testing import phantom, targets, write_cohort
from safegen_detectors.memorization import MemorizationDetector

pytestmark = pytest.mark.slow


@pytest.fixture
def template() -> Template:
    return fitted_cohort().template


@pytest.fixture
def learned() -> Fitted:
    return fitted_cohort().learned


@pytest.fixture
def profile() -> Profile:
    return fitted_cohort().profile


def test_every_reference_patient_has_a_score_of_being_left_out(learned: Fitted) -> None:
    assert sorted(learned.held_out) == [f"sub-{n:02d}" for n in REFERENCE]


def test_a_patient_left_out_scores_as_a_stranger_does(
    learned: Fitted, template: Template, profile: Profile
) -> None:
    stranger = scored(phantom(STRANGER), template, replace(profile, calibration=np.empty(0))).value

    assert stranger is not None
    assert 0.3 < stranger / float(np.median(list(learned.held_out.values()))) < 2


def test_the_detector_scores_a_holdout_itself(template: Template, profile: Profile) -> None:
    detector = MemorizationDetector()
    assert isinstance(detector, Recalibrates)
    holdout = targets([phantom(STRANGER), phantom(STRANGER + 1)], template)

    fitted = detector.recalibrate(profile, holdout)

    assert sorted(fitted.held_out) == ["sub-50", "sub-51"]


def test_a_holdout_patient_scores_at_least_as_high_as_a_synthetic_scan_would(
    template: Template, profile: Profile
) -> None:
    (target,) = targets([phantom(STRANGER)], template)
    plain = replace(profile, calibration=np.empty(0))

    fitted = MemorizationDetector().recalibrate(profile, [target])

    value = scored(phantom(STRANGER), template, plain).value
    assert value is not None
    assert fitted.held_out["sub-50"] >= value - 1e-6


def test_a_holdout_patient_who_is_in_the_reference_is_refused(
    template: Template, profile: Profile
) -> None:
    holdout = targets([called(phantom(SOURCE, session=1), "sub-90")], template)

    with pytest.raises(ProfileError, match="sub-90 is sub-03"):
        MemorizationDetector().recalibrate(profile, holdout)


@dataclass(frozen=True)
class CountingDetector(MemorizationDetector):
    """The check, with a list of the devices it was opened on."""

    opened: list[str] = field(default_factory=list)

    def open(self, profile: Profile | None, *, device: str) -> Scorer:
        self.opened.append(device)
        return super().open(profile, device=device)


@pytest.mark.parametrize("holdout", [(), range(50, 52)], ids=["reference", "holdout"])
def test_calibration_builds_no_index_for_each_patient(tmp_path: Path, holdout: range) -> None:
    """The fit and the recalibration score all patients against one index, and open nothing."""
    reference = discover(write_cohort(tmp_path / "real", range(12)))
    held = [discover(write_cohort(tmp_path / "holdout", holdout))] if holdout else []
    detector = CountingDetector()

    profiles = Fitter({"memorization": detector}).fit([reference], held)

    (bundle,) = profiles.bundles.values()
    assert bundle.profiles["memorization"].calibration.size == len(holdout or range(12))
    assert detector.opened == []
