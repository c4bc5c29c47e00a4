"""What scans are compared with and measured by: decoded from a profile once, for all scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_safegen.api import Profile
from safegen_detectors.anomaly.methods.base import Method, Reader, Reading, learned_of
from safegen_detectors.anomaly.methods.fusion import Scales, scales_from
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.statistics import statistics_from_profile
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample


@dataclass(frozen=True, slots=True)
class AnomalyModel:
    """The reference statistics, each method's reader by name, and the scales that fuse them.

    `similarity` holds the `similarity_facts` of the reference; networks are on the `device`.
    """

    reference: ReferenceStatistics
    readers: Mapping[str, Reader]
    scales: Scales
    similarity: Mapping[str, float]
    device: str

    def normalized(self, sample: Sample) -> NormalizedSample:
        """The sample compared with the reference."""
        return NormalizedSample(sample, self.reference, self.device)

    def read(self, normalized: NormalizedSample) -> dict[str, Reading]:
        """The reading of each method, by name."""
        return {name: reader.read(normalized) for name, reader in self.readers.items()}


def open_model(profile: Profile, methods: Sequence[Method], *, device: str) -> AnomalyModel:
    """The model in a profile, for the methods that it was fitted with."""
    reference = statistics_from_profile(profile)
    readers = {
        method.name: method.open(learned_of(profile, method.name), reference, device=device)
        for method in methods
    }
    scales = scales_from(profile.facts["scales"])
    return AnomalyModel(reference, readers, scales, profile.facts["likeness"], device)
