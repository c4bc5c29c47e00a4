"""The anomaly check: does a scan look like the real scans, in every region and as a whole?

The detector fits and scores with what the packages hold: `explain` may import `methods`, and
`methods` may import `reference`, never the other way; outsiders need only `AnomalyDetector`.
"""

from safegen_detectors.anomaly.detector import AnomalyDetector

__all__ = ["AnomalyDetector"]
