"""The memorization check: is a synthetic scan, or a part of it, a patient of the training set?

`fit` and `score` build on `search`, and that on `features`; only the detector is public.
"""

from safegen_detectors.memorization.detector import MemorizationDetector

__all__ = ["MemorizationDetector"]
