"""The detectors that come with pytest-safegen, offered through the same hooks as anybody's.

Nothing heavy is imported before it is needed: the command line starts with this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_safegen.api import hookimpl

if TYPE_CHECKING:
    import argparse

    from pytest_safegen.api import Detector, Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


@hookimpl
def safegen_add_commands(commands: Commands) -> None:
    """Add `safegen duplicates` and `safegen calibrate-longitudinal`."""
    from safegen_detectors.longitudinal.command import add_calibrate_longitudinal
    from safegen_detectors.memorization.command import add_duplicates

    add_calibrate_longitudinal(commands)
    add_duplicates(commands)


@hookimpl
def safegen_detectors(settings: Settings) -> Sequence[Detector]:
    """The five checks, each with its options of the settings file."""
    from safegen_detectors.anomaly import detector_from as anomaly
    from safegen_detectors.cohort.options import detector_from as metadata
    from safegen_detectors.integrity.options import detector_from as integrity
    from safegen_detectors.longitudinal.options import detector_from as longitudinal
    from safegen_detectors.memorization.options import detector_from as memorization

    options, root = settings.detectors, settings.root
    return [
        anomaly(options.get("anomaly", {})),
        integrity(options.get("integrity", {})),
        longitudinal(options.get("longitudinal", {}), root=root),
        memorization(options.get("memorization", {})),
        metadata(options.get("metadata", {}), root=root),
    ]
