"""Measured numbers beside their limits, and the real scores that the limits come from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_safegen.api import (
    Breach,
    Calibration,
    Finding,
    MeasureLimits,
    Run,
    Verdict,
    calibration_of,
    limits_of,
)

SCORE = "score"
NO_LIMITS = MeasureLimits()
SIDES = ("fail_above", "fail_below", "warn_above", "warn_below")


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One number of a finding with its limits; `breach` is the verdict if it lies beyond one."""

    name: str
    value: float
    unit: str
    limits: MeasureLimits
    breach: Verdict | None

    @property
    def has_limit(self) -> bool:
        """True if some limit applies to the number."""
        return any(finite_limit(self.limits, side) is not None for side in SIDES)


@dataclass(frozen=True, slots=True)
class LimitRow:
    """The limits of one measure of a check, and how many real scores they come from."""

    check: str
    modality: str
    measure: str
    limits: MeasureLimits
    real_scores: int


def finite_limit(limits: MeasureLimits, side: str) -> float | None:
    """One of the four limits; None where it is missing or infinite."""
    value = getattr(limits, side)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def measure_rows(run: Run, finding: Finding) -> list[MeasureRow]:
    """The numbers of a finding: those beyond a limit, then those with a limit, then the others.

    Measures of a growth curve (`NAME@MONTH`) are listed only where they have a limit.
    """
    breaches = {breach.measure: breach for breach in reversed(finding.breaches)}
    rows = [
        _measure_row(
            number,
            _limits(run, finding, number[0]),
            breaches.get(number[0]),
        )
        for number in _numbers(finding)
    ]
    plain = [row for row in rows if row.has_limit or not (row.name == SCORE or "@" in row.name)]
    return sorted(plain, key=_importance)


def _numbers(finding: Finding) -> Iterator[tuple[str, float, str]]:
    if finding.score is not None:
        yield SCORE, finding.score, ""
    for measure in finding.measures:
        yield measure.name, measure.value, measure.unit


def _limits(run: Run, finding: Finding, measure: str) -> MeasureLimits | None:
    """The limits of a measure; of a calibrated score without any, those of its calibration."""
    limits = limits_of(run, finding.check, measure, finding.modality)
    calibration = calibration_of(run, finding.check, finding.modality)
    if limits is None and measure == SCORE and calibration:
        return _score_limits(calibration)
    return limits


def _measure_row(
    number: tuple[str, float, str], limits: MeasureLimits | None, breach: Breach | None
) -> MeasureRow:
    known = limits or NO_LIMITS
    if breach is None:
        return MeasureRow(*number, known, None)
    return MeasureRow(*number, _with_breached(known, breach), breach.verdict)


def _with_breached(limits: MeasureLimits, breach: Breach) -> MeasureLimits:
    """The limits with the one that was crossed, as the finding states it."""
    fails, above = breach.verdict is Verdict.FAIL, breach.above
    return MeasureLimits(
        fail_above=breach.limit if fails and above else limits.fail_above,
        warn_above=breach.limit if not fails and above else limits.warn_above,
        fail_below=breach.limit if fails and not above else limits.fail_below,
        warn_below=breach.limit if not fails and not above else limits.warn_below,
        source=breach.source or limits.source,
    )


def _importance(row: MeasureRow) -> tuple[int, bool]:
    return (-row.breach.rank if row.breach else 0, not row.has_limit)


def limit_rows(run: Run) -> list[LimitRow]:
    """All limits of the run, check by check; of a calibrated check the score's comes first."""
    checks = dict.fromkeys(finding.check for finding in run.findings)
    return [row for check in checks for row in _limits_of_check(run, check)]


def _limits_of_check(run: Run, check: str) -> Iterator[LimitRow]:
    calibrations, known = run.calibrations.get(check, {}), run.limits.get(check, {})
    for modality in dict.fromkeys([*calibrations, *known]):
        calibration = calibrations.get(modality)
        limits = dict(known.get(modality, {}))
        if calibration:
            limits.setdefault(SCORE, _score_limits(calibration))
        for measure in sorted(limits, key=lambda name: name != SCORE):
            count = len(calibration.scores) if calibration and measure == SCORE else 0
            yield LimitRow(check, modality, measure, limits[measure], count)


def _score_limits(calibration: Calibration) -> MeasureLimits:
    return MeasureLimits(
        fail_above=calibration.limit,
        warn_above=calibration.warn_limit,
        source=calibration.source,
    )
