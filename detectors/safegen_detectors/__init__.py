"""The detectors that come with pytest-safegen, offered through the same hook as anybody's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest_safegen

if TYPE_CHECKING:
    from pytest_safegen import Detector
    from pytest_safegen.config import Settings


@pytest_safegen.hookimpl
def safegen_detectors(settings: Settings) -> Sequence[Detector]:
    """One detector a family, with the options of the settings file."""
    from safegen_detectors.anomaly import AnomalyDetector
    from safegen_detectors.cohort import MetadataDetector
    from safegen_detectors.integrity import IntegrityDetector
    from safegen_detectors.longitudinal import LongitudinalDetector
    from safegen_detectors.memorization import MemorizationDetector

    metadata = _options(settings.detectors, "metadata", "suite")
    suite = metadata.get("suite")
    for name in ("anomaly", "integrity", "longitudinal", "memorization"):
        _options(settings.detectors, name)
    return [
        AnomalyDetector(),
        IntegrityDetector(),
        LongitudinalDetector(),
        MemorizationDetector(),
        MetadataDetector(suite=Path(settings.root / suite) if suite else None),
    ]


def _options(given: Mapping[str, Mapping[str, Any]], name: str, *known: str) -> Mapping[str, Any]:
    """The options of one detector; a key it does not know is refused."""
    unknown = sorted(set(given.get(name, {})) - set(known))
    if unknown:
        raise pytest_safegen.UsageProblem(
            f"The check {name} has no option {unknown[0]!r}; it has {', '.join(known) or 'none'}."
        )
    return given.get(name, {})
