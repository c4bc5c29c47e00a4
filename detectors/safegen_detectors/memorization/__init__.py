"""Is a synthetic scan, or a part of it, a patient of the training set?"""

from safegen_detectors.memorization.detector import MemorizationDetector

__all__ = ["MemorizationDetector"]
