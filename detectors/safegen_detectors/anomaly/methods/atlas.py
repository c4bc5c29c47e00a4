"""The method `atlas`: at each voxel, the distance of the features from those of real scans.

After PaDiM (Defard et al. 2021): a Gaussian at each location with a shrunken covariance. Here the
variance is per location, and one correlation of features serves the whole body.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen_detectors.anomaly.methods.base import Learned, Reading, mean_inside, mean_of_highest
from safegen_detectors.anomaly.reference import grids
from safegen_detectors.anomaly.reference.features import box_mean
from safegen_detectors.anomaly.reference.normalized import NormalizedSample, leave_patient_out
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample
from safegen_detectors.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Mapping

SHRINKAGE = 0.1
SAMPLES_FOR_CORRELATION = 16
PEAK_WIDTH = 3


@dataclass(frozen=True, slots=True)
class Atlas:
    """Mahalanobis distance of multi-scale features at each place."""

    name: str = "atlas"

    def fit(
        self,
        samples: Sequence[Sample],
        reference: ReferenceStatistics,
        *,
        seed: int,  # noqa: ARG002  nothing here is random
        device: str,
    ) -> Learned:
        """The correlation of the features, from samples judged without themselves."""
        step = max(1, len(samples) // SAMPLES_FOR_CORRELATION)
        moments = [
            _moments(leave_patient_out(NormalizedSample(sample, reference, device)))
            for sample in samples[::step]
        ]
        whitening = whitening_of(torch.stack(moments).mean(0))
        held_out = side_by_side(
            lambda sample: (
                _reading(
                    leave_patient_out(NormalizedSample(sample, reference, device)), whitening
                ).statistics
            ),
            samples,
        )
        limit = float(np.median([statistics["peak"] for statistics in held_out]))
        return Learned({"whitening": whitening.cpu().numpy()}, {"limit": limit}, held_out)

    def open(
        self,
        learned: Learned,
        reference: ReferenceStatistics,  # noqa: ARG002  each sample brings its own
        *,
        device: str,
    ) -> AtlasReader:
        """The reader, with the whitening on the device."""
        whitening = grids.tensor(learned.arrays["whitening"], device)
        return AtlasReader(whitening, float(learned.facts["limit"]))


@dataclass(frozen=True, slots=True)
class AtlasReader:
    """Reads distances with a whitening (f, f); `limit` is the distance of the outline."""

    whitening: torch.Tensor
    limit: float

    def read(self, normalized: NormalizedSample) -> Reading:
        """Four statistics of the distance map, and the map."""
        found = _reading(normalized, self.whitening)
        return Reading(found.statistics, found.map / self.limit)


def whitening_of(moments: torch.Tensor) -> torch.Tensor:
    """W (f, f) with W' W the inverse of the correlation of second moments (f, f), shrunken."""
    scale = torch.sqrt(moments.diag().clamp_min(1e-12))
    correlation = (1 - SHRINKAGE) * moments / torch.outer(scale, scale)
    correlation = correlation + SHRINKAGE * torch.eye(len(scale), device=scale.device)
    root: torch.Tensor = torch.linalg.cholesky(torch.linalg.inv(correlation))
    return root.T


def distance(relative: torch.Tensor, whitening: torch.Tensor) -> torch.Tensor:
    """Mahalanobis distance per voxel (i, j, k), 1 on average for real scans."""
    white = torch.einsum("fg,gijk->fijk", whitening, relative)
    return torch.sqrt((white * white).mean(0))


def _moments(normalized: NormalizedSample) -> torch.Tensor:
    inside = normalized.relative[:, normalized.judged]
    return inside @ inside.T / max(inside.shape[1], 1)


@dataclass(frozen=True, slots=True)
class _DistanceMap:
    statistics: Mapping[str, float]
    map: torch.Tensor


def _reading(normalized: NormalizedSample, whitening: torch.Tensor) -> _DistanceMap:
    inside = normalized.judged.float()
    smooth = box_mean(distance(normalized.relative, whitening) * inside, PEAK_WIDTH) * inside
    statistics = {
        "peak": mean_of_highest(smooth, normalized.judged, share=0.0),
        "focal": mean_of_highest(smooth, normalized.judged, share=0.001),
        "regional": mean_of_highest(smooth, normalized.judged, share=0.01),
        "overall": mean_inside(smooth, normalized.judged),
    }
    return _DistanceMap(statistics, smooth)
