"""Intensity histogram features: a whole scan as one histogram, without any network.

Frolova et al., "Solving sample-level out-of-distribution detection on 3D medical images", 2022
(arXiv 2212.06506): histogram, principal components, Mahalanobis distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safegen_detectors.anomaly.methods.base import Learned, ReadEach, Reader, Reading
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample

Vectors = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Histogram:
    """`bins` over intensities of the body, of which components with `kept` variance are kept.

    Few bins: a fine histogram of some dozen patients is mostly chance.
    """

    bins: int = 16
    kept: float = 0.9999

    name = "histogram"

    def fit(
        self,
        samples: Sequence[Sample],
        reference: ReferenceStatistics,  # noqa: ARG002
        *,
        seed: int,  # noqa: ARG002
        device: str,  # noqa: ARG002
    ) -> Learned:
        """The histograms of the reference; each is held out by leaving it away."""
        known = np.array([self._histogram(sample) for sample in samples])
        held_out = [
            {"distance": self._distance(own, np.delete(known, n, axis=0))}
            for n, own in enumerate(known)
        ]
        return Learned({"histograms": known}, {}, held_out)

    def open(
        self,
        learned: Learned,
        reference: ReferenceStatistics,  # noqa: ARG002
        *,
        device: str,  # noqa: ARG002
    ) -> Reader:
        """The distance of a scan's histogram; there is no map."""
        known = np.asarray(learned.arrays["histograms"])
        return ReadEach(
            lambda normalized: Reading(
                {"distance": self._distance(self._histogram(normalized.sample), known)}
            )
        )

    def _histogram(self, sample: Sample) -> Vectors:
        inside = np.clip(sample.own[sample.body].astype(np.float64), 0, 1.5)
        counts, _ = np.histogram(inside, bins=self.bins, range=(0, 1.5))
        return np.asarray(counts / max(inside.size, 1))

    def _distance(self, own: Vectors, known: Vectors) -> float:
        """Mahalanobis distance within the principal components."""
        mean = known.mean(axis=0)
        _, spread, axes = np.linalg.svd(known - mean, full_matrices=False)
        variance = spread**2 / max(len(known) - 1, 1)
        share = np.cumsum(variance) / max(variance.sum(), 1e-12)
        count = int(np.searchsorted(share, self.kept)) + 1
        white = (own - mean) @ axes[:count].T / np.sqrt(variance[:count] + 1e-12)
        return float(np.linalg.norm(white))
