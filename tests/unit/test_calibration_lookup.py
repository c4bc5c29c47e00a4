"""A run's calibrations and limits are found by check, modality and measure."""

from __future__ import annotations

import pytest

from pytest_safegen import Calibration, MeasureLimits, Run, Verdict, calibration_of, limits_of

ONE, T1, T2 = Calibration((0.1,), "one"), Calibration((0.2,), "T1w"), Calibration((0.3,), "T2w")
SIZE, VOLUME = MeasureLimits(fail_above=2.0), MeasureLimits(fail_above=9.0)
RUN = Run(
    "1",
    "now",
    Verdict.PASS,
    (),
    (),
    "enforce",
    (),
    {},
    calibrations={"single": {"": ONE}, "double": {"T1w": T1, "T2w": T2}},
    limits={"single": {"": {"volume@*": VOLUME, "volume@3": SIZE}}},
)


@pytest.mark.parametrize(
    ("check", "modality", "expected"),
    [
        ("double", "T1w", T1),
        ("double", "T2w", T2),
        ("double", "", None),
        ("double", "FLAIR", None),
        ("single", "", ONE),
        ("single", "T1w", ONE),
        ("unknown", "", None),
    ],
)
def test_the_calibration_is_that_of_the_modality(
    check: str, modality: str, expected: Calibration | None
) -> None:
    assert calibration_of(RUN, check, modality) == expected


@pytest.mark.parametrize(
    ("measure", "expected"), [("volume@3", SIZE), ("volume@6", VOLUME), ("size", None)]
)
def test_a_limit_for_the_name_goes_before_one_for_a_pattern(
    measure: str, expected: MeasureLimits | None
) -> None:
    assert limits_of(RUN, "single", measure) == expected
