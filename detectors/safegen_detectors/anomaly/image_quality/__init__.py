"""The method `image-quality`: some hundred global measures of a scan, and how usual they are."""

from safegen_detectors.anomaly.image_quality.method import ImageQuality

__all__ = ["ImageQuality"]
