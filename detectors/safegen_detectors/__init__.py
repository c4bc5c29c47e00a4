"""The detectors that come with pytest-safegen, offered through the same hook as anybody's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest_safegen

if TYPE_CHECKING:
    import argparse

    from pytest_safegen.api import Detector, Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


@pytest_safegen.hookimpl
def safegen_add_commands(commands: Commands) -> None:
    """Add `safegen duplicates` and `safegen calibrate-longitudinal`."""
    from safegen_detectors.longitudinal.command import add_calibrate_longitudinal
    from safegen_detectors.memorization.command import add_duplicates

    add_calibrate_longitudinal(commands)
    add_duplicates(commands)


@pytest_safegen.hookimpl
def safegen_detectors(settings: Settings) -> Sequence[Detector]:
    """One detector a family, with the options of the settings file."""
    from safegen_detectors.cohort import MetadataDetector
    from safegen_detectors.integrity import IntegrityDetector
    from safegen_detectors.memorization import MemorizationDetector

    metadata = _options(settings.detectors, "metadata", "suite")
    suite = metadata.get("suite")
    salt = _options(settings.detectors, "memorization", "salt").get("salt", "")
    _options(settings.detectors, "integrity")
    return [
        _anomaly(settings.detectors.get("anomaly", {})),
        IntegrityDetector(),
        _longitudinal(settings),
        MemorizationDetector(salt=str(salt)),
        MetadataDetector(suite=Path(settings.root / suite) if suite else None),
    ]


def _longitudinal(settings: Settings) -> Detector:
    """The check with limits from real pairs, and what it takes for told of all scans."""
    from safegen_detectors.longitudinal import LongitudinalDetector
    from safegen_detectors.longitudinal.calibrate import (
        calibrated_rules,
        identity_limits,
        read_calibration,
    )
    from safegen_detectors.longitudinal.inputs.growth_statement import METADATA_COLUMNS
    from safegen_detectors.longitudinal.limits import RULES
    from safegen_detectors.longitudinal.series import DEFORMATION_MODES, ComparisonOptions

    given = dict(
        _options(settings.detectors, "longitudinal", "limits", "deformation", *METADATA_COLUMNS)
    )
    limits, deformation = given.pop("limits", None), given.pop("deformation", "auto")
    if deformation not in DEFORMATION_MODES:
        raise pytest_safegen.UsageProblem(
            f"The option deformation of longitudinal is one of {', '.join(DEFORMATION_MODES)}, not "
            f"{deformation!r}."
        )
    labels = {name: str(value) for name, value in given.items()}
    if limits is None:
        return LongitudinalDetector(labels, ComparisonOptions(deformation))
    calibration = read_calibration(settings.root / str(limits))
    rules = calibrated_rules(RULES, calibration, name=Path(str(limits)).name)
    return LongitudinalDetector(
        labels, ComparisonOptions(deformation, identity_limits(calibration)), rules=rules
    )


def _anomaly(given: Mapping[str, Any]) -> Detector:
    """The anomaly check with its methods, and a table of options for each method."""
    from safegen_detectors.anomaly import AnomalyDetector, options as anomaly_options
    from safegen_detectors.anomaly.options import DEFAULT_METHODS, METHOD_NAMES, validate_methods

    known = ("methods", "explanations", "explanation_volumes", *METHOD_NAMES)
    _options({"anomaly": given}, "anomaly", *known)
    names = _names(given.get("methods", DEFAULT_METHODS), "methods")
    shown = _names(given.get("explanations", anomaly_options.DEFAULT_EXPLANATIONS), "explanations")
    options = {name: given[name] for name in METHOD_NAMES if name in given}
    validate_methods(names, options)
    unknown = sorted(set(shown) - set(anomaly_options.EXPLANATION_LEGENDS))
    if unknown:
        raise pytest_safegen.UsageProblem(
            f"The explanations of anomaly are {', '.join(anomaly_options.EXPLANATION_LEGENDS)}; "
            f"{unknown[0]!r} is none."
        )
    volumes = given.get("explanation_volumes", AnomalyDetector.explanation_volumes)
    if not isinstance(volumes, int) or isinstance(volumes, bool) or volumes < 0:
        raise pytest_safegen.UsageProblem(
            f"Invalid explanation_volumes={volumes!r} of anomaly: expected an integer ≥ 0."
        )
    return AnomalyDetector(tuple(names), options, tuple(shown), volumes)


def _names(given: Any, option: str) -> tuple[str, ...]:
    if isinstance(given, str) or not all(isinstance(name, str) for name in given):
        raise pytest_safegen.UsageProblem(
            f"The option {option} of anomaly is a list of names, not {given!r}."
        )
    return tuple(given)


def _options(given: Mapping[str, Mapping[str, Any]], name: str, *known: str) -> Mapping[str, Any]:
    """The options of one detector; a key it does not know is refused."""
    unknown = sorted(set(given.get(name, {})) - set(known))
    if unknown:
        raise pytest_safegen.UsageProblem(
            f"The check {name} has no option {unknown[0]!r}; it has {', '.join(known) or 'none'}."
        )
    return given.get(name, {})
