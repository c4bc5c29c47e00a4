"""What `[detectors.longitudinal]` of a settings file can say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safegen_detectors.longitudinal.calibrate import (
    calibrated_rules,
    identity_limits,
    read_calibration,
)
from safegen_detectors.longitudinal.detector import LongitudinalDetector
from safegen_detectors.longitudinal.inputs.growth_statement import METADATA_COLUMNS
from safegen_detectors.longitudinal.limits import RULES
from safegen_detectors.longitudinal.series import DEFORMATION_MODES, ComparisonOptions
from safegen_detectors.options import invalid_option, refuse_unknown_options


def detector_from(options: Mapping[str, Any], *, root: Path) -> LongitudinalDetector:
    """The check with the options of a settings file; `limits` is relative to `root`.

    Raises:
        UsageProblem: an unknown option, an invalid value, or limits that cannot be read.
    """
    refuse_unknown_options("longitudinal", options, "limits", "deformation", *METADATA_COLUMNS)
    limits, deformation = options.get("limits"), options.get("deformation", "auto")
    if deformation not in DEFORMATION_MODES:
        expected = f"one of {', '.join(DEFORMATION_MODES)}"
        raise invalid_option("longitudinal", "deformation", deformation, expected)
    labels = {name: str(options[name]) for name in options if name in METADATA_COLUMNS}
    if limits is None:
        return LongitudinalDetector(labels, ComparisonOptions(deformation))
    calibration = read_calibration(root / str(limits))
    rules = calibrated_rules(RULES, calibration, name=Path(str(limits)).name)
    comparison = ComparisonOptions(deformation, identity_limits(calibration))
    return LongitudinalDetector(labels, comparison, rules=rules)
