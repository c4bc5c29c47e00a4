"""The score of a scan, and when it is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from memorization_cohort import SOURCE, STRANGER, fitted_cohort, scored

from pytest_safegen import NotJudged, Profile
from pytest_safegen.judging.calibration import limit_at
from pytest_safegen.prepare.template import Template
from pytest_safegen.testing import phantom, targets
from safegen_detectors.memorization import MemorizationDetector

pytestmark = pytest.mark.slow


@pytest.fixture
def template() -> Template:
    return fitted_cohort().template


@pytest.fixture
def profile() -> Profile:
    return fitted_cohort().profile


def test_a_copy_is_above_the_limit(template: Template, profile: Profile) -> None:
    value = scored(phantom(SOURCE), template, profile).value

    assert value is not None
    assert value > limit_at(profile.calibration, 0.01).value


def test_the_message_on_a_copy_names_the_patient(template: Template, profile: Profile) -> None:
    message = scored(phantom(SOURCE), template, profile).message

    assert "of the scan is a copy of training patient sub-03" in message


def test_another_body_part_is_not_passed(template: Template, profile: Profile) -> None:
    scan = phantom(STRANGER)
    noise = np.random.default_rng(0).normal(100, 30, scan.voxels.shape)
    other = replace(scan, voxels=np.where(scan.voxels > 0, noise, 0).astype(np.float32))
    strict = replace(profile, facts={**profile.facts, "typical": 0.9})

    with pytest.raises(NotJudged, match="looks like nobody in the reference"):
        scored(other, template, strict)


def test_a_scan_that_shows_less_than_half_is_not_passed(
    template: Template, profile: Profile
) -> None:
    (target,) = targets([phantom(STRANGER)], template)
    assert target.prepared is not None
    body = target.prepared.body.copy()
    body[:, 16:] = False
    part = replace(target, prepared=replace(target.prepared, body=body), own=None)

    with pytest.raises(NotJudged, match="of the tissue shared by the reference scans"):
        MemorizationDetector().open(profile, device="cpu").score([part])
