"""Is a series one patient, followed over a believable time?"""

from safegen_detectors.longitudinal.detector import LongitudinalDetector

__all__ = ["LongitudinalDetector"]
