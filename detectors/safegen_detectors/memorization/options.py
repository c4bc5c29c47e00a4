"""What `[detectors.memorization]` of a settings file can say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safegen_detectors.memorization.detector import MemorizationDetector
from safegen_detectors.options import invalid_option, refuse_unknown_options


def detector_from(options: Mapping[str, Any]) -> MemorizationDetector:
    """The check with the options of a settings file.

    Raises:
        UsageProblem: an unknown option, or a salt that is no text.
    """
    refuse_unknown_options("memorization", options, "salt")
    salt = options.get("salt", "")
    if not isinstance(salt, str):
        raise invalid_option("memorization", "salt", salt, "text")
    return MemorizationDetector(salt=salt)
