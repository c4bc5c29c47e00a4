"""Measured numbers beside their limits, and the real scores that the limits come from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from pytest_safegen.api import Breach, Finding, Run, Verdict

SCORE = "score"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Calibration:
    """The scores of real scans of one modality, and the limits that they gave."""

    scores: tuple[float, ...] = ()
    source: str = ""
    limit: float | None = None
    warn_limit: float | None = None


@dataclass(frozen=True, slots=True)
class MeasureLimits:
    """The limits of one measure; None where there is none on that side."""

    fail_above: float | None = None
    warn_above: float | None = None
    fail_below: float | None = None
    warn_below: float | None = None
    source: str = ""


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


def calibrations_of(run: Run, check: str) -> dict[str, Calibration]:
    """The calibrations of a check by modality, "" where there is only one."""
    found: dict[str, Calibration] = {}
    for key, value in run.calibrations.items():
        name, _, modality = key.partition(":")
        if name == check:
            nested = bool(value) and all(isinstance(each, Mapping) for each in value.values())
            by_modality: Mapping[str, Any] = value if nested else {modality: value}
            found |= {each: _calibration(facts) for each, facts in by_modality.items()}
    return found


def _calibration(facts: Mapping[str, Any]) -> Calibration:
    scores, source = tuple(facts.get("scores") or ()), str(facts.get("source") or "")
    return Calibration(scores, source, facts.get("limit"), facts.get("warn_limit"))


def calibration_of(run: Run, check: str, modality: str = "") -> Calibration | None:
    """The calibration of a check in a modality; None where it used fixed limits.

    `modality` is `Finding.modality`. Real scans of a single modality stand under "" and serve all.
    """
    return _of_modality(calibrations_of(run, check), modality)


def measure_limits(run: Run, check: str) -> dict[str, dict[str, MeasureLimits]]:
    """The limits of a check by modality and measure."""
    known: Mapping[str, Mapping[str, Mapping[str, Any]]] = getattr(run, "limits", {}).get(check, {})
    return {
        modality: {name: MeasureLimits(**limits) for name, limits in measures.items()}
        for modality, measures in known.items()
    }


def limits_of(run: Run, check: str, measure: str, modality: str = "") -> MeasureLimits | None:
    """The limits of a measure, by its name or else by a pattern; None where it has none."""
    known = _of_modality(measure_limits(run, check), modality) or {}
    if measure in known:
        return known[measure]
    if measure == SCORE and (calibration := calibration_of(run, check, modality)):
        return _score_limits(calibration)
    return next((limit for name, limit in known.items() if fnmatchcase(measure, name)), None)


def _of_modality(known: Mapping[str, T], modality: str) -> T | None:
    if modality in known:
        return known[modality]
    return known[""] if set(known) == {""} else None


def measure_rows(run: Run, finding: Finding) -> list[MeasureRow]:
    """The numbers of a finding: those beyond a limit, then those with a limit, then the others.

    Measures of a growth curve (`NAME@MONTH`) are listed only where they have a limit.
    """
    breaches = {breach.measure: breach for breach in reversed(finding.breaches)}
    rows = [
        _measure_row(
            number,
            limits_of(run, finding.check, number[0], finding.modality),
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
    calibrations, known = calibrations_of(run, check), measure_limits(run, check)
    for modality in dict.fromkeys([*calibrations, *known]):
        calibration = calibrations.get(modality)
        limits = dict(known.get(modality, {}))
        if calibration:
            limits = {SCORE: _score_limits(calibration)} | limits
        for measure in sorted(limits, key=lambda name: name != SCORE):
            count = len(calibration.scores) if calibration and measure == SCORE else 0
            yield LimitRow(check, modality, measure, limits[measure], count)


def _score_limits(calibration: Calibration) -> MeasureLimits:
    return MeasureLimits(
        fail_above=calibration.limit,
        warn_above=calibration.warn_limit,
        source=calibration.source,
    )
