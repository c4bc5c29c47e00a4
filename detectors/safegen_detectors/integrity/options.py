"""What `[detectors.integrity]` of a settings file can say: nothing yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safegen_detectors.integrity.detector import IntegrityDetector
from safegen_detectors.options import refuse_unknown_options


def detector_from(options: Mapping[str, Any]) -> IntegrityDetector:
    """The check; raises UsageProblem for any option."""
    refuse_unknown_options("integrity", options)
    return IntegrityDetector()
