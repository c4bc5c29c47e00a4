"""What `[detectors.metadata]` of a settings file can say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safegen_detectors.cohort.metadata import MetadataDetector
from safegen_detectors.options import invalid_option, refuse_unknown_options


def detector_from(options: Mapping[str, Any], *, root: Path) -> MetadataDetector:
    """The check with the options of a settings file; `suite` is relative to `root`.

    Raises:
        UsageProblem: an unknown option, or a suite that is no path.
    """
    refuse_unknown_options("metadata", options, "suite")
    suite = options.get("suite")
    if suite is not None and not isinstance(suite, str):
        raise invalid_option("metadata", "suite", suite, "the path of a JSON file")
    return MetadataDetector(suite=root / suite if suite else None)
