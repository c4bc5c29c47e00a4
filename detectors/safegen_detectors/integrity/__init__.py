"""The integrity check: is each file a complete, plausible scan on a grid like the reference's?

Only the detector is public; `cohort` uses the geometry and the ranges of the reference too.
"""

from safegen_detectors.integrity.detector import IntegrityDetector

__all__ = ["IntegrityDetector"]
