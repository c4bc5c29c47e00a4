"""The self-test of each run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from memorization_cohort import STRANGER, fitted_cohort, scored

from pytest_safegen import NotJudged, Profile
from pytest_safegen.prepare.template import Template
from pytest_safegen.testing import phantom
from safegen_detectors.memorization.search.index import index_from_profile
from safegen_detectors.memorization.self_test import run_self_test

pytestmark = pytest.mark.slow


@pytest.fixture
def template() -> Template:
    return fitted_cohort().template


@pytest.fixture
def profile() -> Profile:
    return fitted_cohort().profile


def test_a_sound_profile_passes(profile: Profile) -> None:
    assert run_self_test(index_from_profile(profile, "cpu"), profile) == ""


def test_a_profile_whose_descriptors_are_noise_fails(profile: Profile) -> None:
    noise = np.random.default_rng(0).normal(size=profile.arrays["descriptors"].shape)
    broken = replace(profile, arrays={**profile.arrays, "descriptors": noise.astype(np.float16)})
    index = index_from_profile(broken, "cpu")
    blank = replace(index, descriptors=index.descriptors * 0)

    assert "planted copy" in run_self_test(blank, broken)


def test_a_limit_below_unseen_patients_fails(template: Template, profile: Profile) -> None:
    sharp = replace(profile, calibration=np.linspace(0.0, 0.01, 200))

    with pytest.raises(NotJudged, match="self-test of this run failed"):
        scored(phantom(STRANGER), template, sharp)
