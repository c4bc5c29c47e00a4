"""The method `artefact-segmentation`: a network that outlines faults which were planted for it."""

from safegen_detectors.anomaly.segmentation.method import ArtefactSegmentation

__all__ = ["ArtefactSegmentation"]
