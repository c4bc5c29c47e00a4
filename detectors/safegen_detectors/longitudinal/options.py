"""What `[detectors.longitudinal]` of a settings file can say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from safegen_detectors.longitudinal.calibrate import (
    calibrated_rules,
    identity_limits,
    read_calibration,
)
from safegen_detectors.longitudinal.detector import LongitudinalDetector
from safegen_detectors.longitudinal.inputs.columns import METADATA_COLUMNS
from safegen_detectors.longitudinal.limits import RULES
from safegen_detectors.longitudinal.series import DEFORMATION_MODES, ComparisonOptions
from safegen_detectors.options import invalid_option, refuse_unknown_options

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIONS = ("limits", "deformation", *METADATA_COLUMNS)
"""The keys of the table; a column of the metadata is a default for every scan."""


def detector_from(options: Mapping[str, Any], *, root: Path) -> LongitudinalDetector:
    """The check with the options of a settings file; `limits` is relative to `root`.

    Raises:
        UsageProblem: an unknown option, an invalid value, or limits that cannot be read.
    """
    refuse_unknown_options("longitudinal", options, *OPTIONS)
    limits, deformation = options.get("limits"), options.get("deformation", "auto")
    if deformation not in DEFORMATION_MODES:
        expected = f"one of {', '.join(DEFORMATION_MODES)}"
        raise invalid_option("longitudinal", "deformation", deformation, expected)
    labels = {name: str(options[name]) for name in options if name in METADATA_COLUMNS}
    if limits is None:
        return LongitudinalDetector(labels, ComparisonOptions(deformation))
    calibration = read_calibration(root / str(limits))
    source = f"{Path(str(limits)).name} (digest {calibration.digest})"
    return LongitudinalDetector(
        labels,
        ComparisonOptions(deformation, identity_limits(calibration)),
        rules=calibrated_rules(RULES, calibration, name=source),
        limits_digest=calibration.digest,
    )
