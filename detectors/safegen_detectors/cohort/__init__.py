"""The metadata check: does the table of a release's scans look like the reference's?

Expectations are judged by great-expectations; of the other checks it imports `integrity` only.
"""

from safegen_detectors.cohort.metadata import MetadataDetector

__all__ = ["MetadataDetector"]
