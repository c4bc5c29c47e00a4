"""How many standard deviations each voxel is from the reference, brighter or darker.

The trivial baseline that Meissen et al. ("Challenging current semi-supervised anomaly
segmentation methods for brain MRI", 2021) ask everyone to show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from safegen_detectors.anomaly.methods.base import (
    Learned,
    ReadEach,
    Reader,
    Reading,
    limit_of,
    top,
)
from safegen_detectors.anomaly.methods.residuals import peak
from safegen_detectors.anomaly.reference import grids
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample

FLOOR = 0.02  # of an intensity scale of 0..1


@dataclass(frozen=True, slots=True)
class ZScore:
    """Mean and deviation per voxel of the template; the statistic is the highest 1 %."""

    name = "zscore"

    def fit(
        self,
        samples: Sequence[Sample],
        reference: ReferenceStatistics,
        *,
        seed: int,  # noqa: ARG002  nothing is random
        device: str,
    ) -> Learned:
        """The sums over the reference; each sample is held out by taking it from them."""
        first = sum(grids.tensor(sample.aligned, device) for sample in samples)
        second = sum(grids.tensor(sample.aligned, device).square() for sample in samples)
        sums, count = torch.stack([torch.as_tensor(first), torch.as_tensor(second)]), len(samples)
        region, held_out, tops = torch.tensor(reference.region), [], []
        for sample in samples:
            own = grids.tensor(sample.aligned, device)
            z = _z(own, sums - torch.stack([own, own.square()]), count - 1).cpu()
            held_out.append({"peak": peak(z, region)})
            tops.append(top(z, region))
        facts = {"count": count, "limit": limit_of(tops)}
        return Learned({"sums": sums.cpu().numpy()}, facts, held_out)

    def open(self, learned: Learned, reference: ReferenceStatistics, *, device: str) -> Reader:
        """The sums on the device."""
        sums = grids.tensor(learned.arrays["sums"], device)
        region = torch.tensor(reference.region, device=device)
        count, limit = learned.facts["count"], learned.facts["limit"]

        def read(normalized: NormalizedSample) -> Reading:
            """The absolute z-score per voxel; the map is 1 at the median top of real scans."""
            z = _z(grids.tensor(normalized.sample.aligned, device), sums, count)
            outline = grids.onto_own((z * region / limit)[None], normalized.sample)[0]
            return Reading({"peak": peak(z, region)}, outline)

        return ReadEach(read)


def _z(volume: torch.Tensor, sums: torch.Tensor, count: int) -> torch.Tensor:
    mean = sums[0] / count
    variance = (sums[1] / count - mean.square()).clamp_min(0)
    return (volume - mean).abs() / (variance.sqrt() + FLOOR)
