"""Numbers stand beside their limits: which, from where, and which is beyond."""

from __future__ import annotations

import dataclasses

from pytest_safegen import Breach, Finding, Measure, Run, Verdict
from safegen_reports.limits import calibration_of, limit_rows, measure_rows

CALIBRATIONS = {
    "anomaly": {
        "T1w": {"scores": [0.1, 0.2], "source": "real T1w", "limit": 1.0, "warn_limit": 0.8},
        "FLAIR": {"scores": [0.3], "source": "real FLAIR", "limit": 0.4, "warn_limit": None},
    }
}
GROWN = Breach("growth", 3.0, 2.0, Verdict.WARN, "ml", source="literature")
SHRUNK = Breach("ratio", 0.1, 0.5, Verdict.FAIL, above=False, source="set by the user")
FINDING = Finding(
    "longitudinal",
    "sub-1",
    Verdict.FAIL,
    "It shrank and grew.",
    measures=(
        Measure("months", 6.0),
        Measure("volume@6", 2.0, "ml"),
        Measure("growth", 3.0, "ml"),
        Measure("ratio", 0.1),
    ),
    breaches=(SHRUNK, GROWN),
)


def _run(*findings: Finding) -> Run:
    return Run("1", "now", Verdict.FAIL, (), (), "enforce", findings, {}, calibrations=CALIBRATIONS)


def test_each_modality_has_its_own_calibration() -> None:
    sources = [calibration_of(_run(), "anomaly", name) for name in ("T1w", "FLAIR", "CT")]
    assert [each and each.source for each in sources] == ["real T1w", "real FLAIR", None]


def test_a_single_calibration_serves_every_modality() -> None:
    only = {"anomaly": {"": {"scores": [0.1], "source": "all", "limit": 1.0}}}
    run = dataclasses.replace(_run(), calibrations=only)
    found = calibration_of(run, "anomaly", "T1w")
    assert found is not None
    assert found.limit == 1.0


def test_what_is_beyond_a_limit_comes_first_with_its_limit_and_source() -> None:
    rows = measure_rows(_run(FINDING), FINDING)
    assert [(row.name, row.breach) for row in rows] == [
        ("ratio", Verdict.FAIL),
        ("growth", Verdict.WARN),
        ("months", None),
    ]
    assert (rows[0].limits.fail_below, rows[0].limits.source) == (0.5, "set by the user")
    assert (rows[1].limits.warn_above, rows[1].unit) == (2.0, "ml")
    assert not rows[2].has_limit


def test_a_point_of_a_growth_curve_is_listed_only_with_a_limit() -> None:
    above = Breach("volume@6", 2.0, 1.0, Verdict.FAIL)
    finding = dataclasses.replace(FINDING, breaches=(above,))
    assert "volume@6" in [row.name for row in measure_rows(_run(), finding)]
    assert "volume@6" not in [row.name for row in measure_rows(_run(), FINDING)]


def test_the_limits_of_a_run_are_listed_by_check_and_modality() -> None:
    finding = Finding("anomaly", "a.nii", Verdict.PASS, "Fine.", 0.5, 1.0, modality="T1w")
    rows = [
        (row.modality, row.limits.fail_above, row.real_scores) for row in limit_rows(_run(finding))
    ]
    assert rows == [("T1w", 1.0, 2), ("FLAIR", 0.4, 1)]


def test_a_calibrated_score_stands_beside_its_limits_even_if_it_passes() -> None:
    finding = Finding("anomaly", "a.nii", Verdict.PASS, "Fine.", 0.5, 1.0, modality="T1w")
    (row,) = measure_rows(_run(finding), finding)
    assert (row.name, row.value, row.breach) == ("score", 0.5, None)
    assert (row.limits.fail_above, row.limits.warn_above) == (1.0, 0.8)
