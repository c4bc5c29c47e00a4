"""Copy, same person, suspect or none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from memorization_cohort import SOURCE, STRANGER, fitted_cohort, scored

from pytest_safegen import Profile, Score
from pytest_safegen.prepare.template import Template
from pytest_safegen.testing import phantom
from safegen_detectors.memorization.copied_region import CopiedRegion
from safegen_detectors.memorization.match_kind import MatchKind, classify

pytestmark = pytest.mark.slow

SEEN = np.linspace(0.5, 1.5, 200)


@pytest.fixture
def template() -> Template:
    return fitted_cohort().template


@pytest.fixture
def profile() -> Profile:
    return fitted_cohort().profile


def kind(score: Score) -> str:
    return next(measure.unit for measure in score.measures if measure.name == "kind")


@pytest.mark.parametrize(
    ("subject", "expected"), [(SOURCE, "COPY"), (STRANGER, "PASS")], ids=["copy", "stranger"]
)
def test_the_kind_is_a_measure(
    subject: int, expected: str, template: Template, profile: Profile
) -> None:
    assert kind(scored(phantom(subject), template, profile)) == expected


@pytest.mark.parametrize(
    ("value", "share", "correlation", "expected"),
    [
        (1.0, 0.0, 0.3, MatchKind.PASS),
        (1.47, 0.0, 0.3, MatchKind.SUSPECT),
        (9.0, 0.9, 0.5, MatchKind.LINKED),
        (9.0, 0.9, 0.95, MatchKind.LINKED),
        (9.0, 0.9, 0.99, MatchKind.COPY),
        (9.0, 0.1, 0.5, MatchKind.COPY),
    ],
)
def test_kinds(
    value: float, share: float, correlation: float, expected: MatchKind, profile: Profile
) -> None:
    where = CopiedRegion(np.zeros((1, 1, 1), np.float32), share, correlation, None)

    assert classify(value, where, replace(profile, calibration=SEEN)) is expected
