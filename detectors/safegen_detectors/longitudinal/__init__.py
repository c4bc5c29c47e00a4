"""The longitudinal check: is a series one patient, followed over a believable time?

Imports run one way: `inputs`, `maths`, `registration`, `measures`, `series`, `heatmaps`, `scorer`,
`detector`, `calibrate`, then `options` and `command`. The detector is imported on first use, so
that the command line starts without numpy and SimpleITK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from safegen_detectors.longitudinal.detector import LongitudinalDetector

__all__ = ["LongitudinalDetector"]


def __getattr__(name: str) -> Any:
    if name != "LongitudinalDetector":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from safegen_detectors.longitudinal.detector import LongitudinalDetector

    return LongitudinalDetector
