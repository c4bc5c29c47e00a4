"""The longitudinal check: is a series one patient, followed over a believable time?

Imports run one way: `inputs`, `maths`, `registration`, `measures`, `series`, `heatmaps`, then
`detector`.
"""

from safegen_detectors.longitudinal.detector import LongitudinalDetector

__all__ = ["LongitudinalDetector"]
