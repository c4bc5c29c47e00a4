"""Is each file a whole, sane scan, and does its grid look like the reference's?"""

from safegen_detectors.integrity.detector import IntegrityDetector

__all__ = ["IntegrityDetector"]
