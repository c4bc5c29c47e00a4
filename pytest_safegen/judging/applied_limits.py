"""The limits that a run applies, as its results hold them: per check and modality."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.core.finding import Calibration, MeasureLimits
from pytest_safegen.core.score import SCORE, Profile, Rule
from pytest_safegen.judging.limits import Limits, concrete, rules_for
from pytest_safegen.profiles.model import ANY_MODALITY, ProfileSet

Thresholds = Mapping[str, str]


def calibrations_of(
    detectors: Mapping[str, Detector], thresholds: Thresholds, profiles: ProfileSet | None
) -> dict[str, dict[str, Calibration]]:
    """The calibration of each check that has one, per modality of the real scans."""
    found: dict[str, dict[str, Calibration]] = {}
    for name, detector in detectors.items():
        rule = rules_for(name, detector.rules, thresholds).get(SCORE)
        for modality, profile in _profiles_of(name, profiles):
            calibration = _calibration(rule, profile) if rule and profile else None
            if calibration is not None:
                found.setdefault(name, {})[modality] = calibration
    return found


def limits_of_checks(
    detectors: Mapping[str, Detector], thresholds: Thresholds, profiles: ProfileSet | None
) -> dict[str, dict[str, dict[str, MeasureLimits]]]:
    """The limits of every measure that has one, per check and modality.

    A measure may be a pattern of names. One whose limit could not be calibrated is left out.
    """
    found: dict[str, dict[str, dict[str, MeasureLimits]]] = {}
    for name, detector in detectors.items():
        rules = rules_for(name, detector.rules, thresholds)
        for modality, profile in _profiles_of(name, profiles):
            found.setdefault(name, {})[modality] = dict(_limits(rules, profile))
    return found


def modality_of(check: str, modality: str | None, profiles: ProfileSet | None) -> str:
    """The modality whose real scans calibrate a check of a scan; "" where there is one only."""
    if profiles is None or len(profiles.bundles) < 2:
        return ANY_MODALITY
    known = modality or ANY_MODALITY
    return known if check in profiles.bundle(known).profiles else ANY_MODALITY


def _profiles_of(check: str, profiles: ProfileSet | None) -> Iterator[tuple[str, Profile | None]]:
    """What a check learned, per modality; a single None where it learned nothing."""
    bundles = profiles.bundles if profiles else {}
    known = {
        modality if len(bundles) > 1 else ANY_MODALITY: bundle.profiles[check]
        for modality, bundle in bundles.items()
        if check in bundle.profiles
    }
    if known:
        yield from known.items()
    else:
        yield ANY_MODALITY, profiles.release.get(check) if profiles else None


def _limits(
    rules: Mapping[str, Rule], profile: Profile | None
) -> Iterator[tuple[str, MeasureLimits]]:
    for measure, rule in rules.items():
        try:
            limits = concrete(rule, profile)
        except ValueError:  # no scores to calibrate it with: the check's findings say so
            continue
        yield measure, _plain(limits)


def _plain(limits: Limits) -> MeasureLimits:
    return MeasureLimits(
        _finite(limits.fail_above),
        _finite(limits.warn_above),
        _finite(limits.fail_below),
        _finite(limits.warn_below),
        limits.source,
    )


def _calibration(rule: Rule, profile: Profile) -> Calibration | None:
    if profile.calibration.size == 0:
        return None
    try:
        limits = concrete(rule, profile)
    except ValueError:  # scores that are not finite: the check's findings say so
        return None
    return Calibration(
        scores=tuple(profile.calibration.tolist()),
        source=f"{limits.source} ({profile.calibration_source})",
        limit=_finite(limits.fail_above),
        warn_limit=_finite(limits.warn_above),
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
