"""Checks of the release as a whole."""

from safegen_detectors.cohort.metadata import MetadataDetector

__all__ = ["MetadataDetector"]
