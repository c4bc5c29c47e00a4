"""The anomaly check: does a scan look like the real scans, in every region and as a whole?

The detector fits and scores with what the packages hold: `explain` may import `methods`, and
`methods` may import `reference`, never the other way; outsiders need only `AnomalyDetector`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safegen_detectors.anomaly.detector import AnomalyDetector
from safegen_detectors.anomaly.options import (
    DEFAULT_EXPLANATIONS,
    DEFAULT_METHODS,
    EXPLANATION_LEGENDS,
    METHOD_NAMES,
    validate_methods,
)
from safegen_detectors.options import invalid_option, refuse_unknown_options

__all__ = ["AnomalyDetector", "detector_from"]


def detector_from(options: Mapping[str, Any]) -> AnomalyDetector:
    """The check with its methods, and a table of options for each method, of a settings file.

    Raises:
        UsageProblem: an unknown option, method or explanation, or an invalid value.
    """
    known = ("methods", "explanations", "explanation_volumes", *METHOD_NAMES)
    refuse_unknown_options("anomaly", options, *known)
    methods = _names(options.get("methods", DEFAULT_METHODS), "methods")
    explanations = _names(options.get("explanations", DEFAULT_EXPLANATIONS), "explanations")
    by_method = {name: options[name] for name in METHOD_NAMES if name in options}
    validate_methods(methods, by_method)
    unknown = sorted(set(explanations) - set(EXPLANATION_LEGENDS))
    if unknown:
        expected = f"names of {', '.join(EXPLANATION_LEGENDS)}"
        raise invalid_option("anomaly", "explanations", unknown[0], expected)
    volumes = options.get("explanation_volumes", AnomalyDetector.explanation_volumes)
    if not isinstance(volumes, int) or isinstance(volumes, bool) or volumes < 0:
        raise invalid_option("anomaly", "explanation_volumes", volumes, "an integer ≥ 0")
    return AnomalyDetector(methods, by_method, explanations, volumes)


def _names(value: Any, option: str) -> tuple[str, ...]:
    listed = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
    if not listed:
        raise invalid_option("anomaly", option, value, "a list of names")
    return tuple(value)
