"""Numbers stand beside their limits: which, from where, and which is beyond."""

from __future__ import annotations

import dataclasses

from pytest_safegen import Breach, Calibration, Finding, Measure, MeasureLimits, Run, Verdict
from safegen_reports.limits import limit_rows, measure_rows

CALIBRATIONS = {
    "anomaly": {
        "T1w": Calibration((0.1, 0.2), "real T1w", 1.0, 0.8),
        "FLAIR": Calibration((0.3,), "real FLAIR", 0.4),
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


def test_limits_of_the_run_stand_beside_each_measure() -> None:
    limits = {"longitudinal": {"": {"mon*": MeasureLimits(warn_below=1.0, source="literature")}}}
    run = dataclasses.replace(_run(FINDING), limits=limits)
    row = next(row for row in measure_rows(run, FINDING) if row.name == "months")
    assert (row.limits.warn_below, row.limits.source, row.breach) == (1.0, "literature", None)
    assert [row.measure for row in limit_rows(run)] == ["mon*"]


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
