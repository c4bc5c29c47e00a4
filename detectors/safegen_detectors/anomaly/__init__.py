"""Does a scan look like the real scans, everywhere and as a whole?"""

from safegen_detectors.anomaly.detector import AnomalyDetector

__all__ = ["AnomalyDetector"]
