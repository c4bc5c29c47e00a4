"""The surrogate that SHAP explains: a light network that predicts the score of the large one.

A map of it says something about the check only as far as it predicts well, so a surrogate below
MIN_RANK_CORRELATION is never shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from safegen_detectors.anomaly.methods.base import Learned
from safegen_detectors.anomaly.reference import grids
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample, arrays_below
from safegen_detectors.explain.surrogate import SurrogateNetwork, from_arrays, pooled

POOLING = 2
SURROGATE_KEY = "explain/predictor"
FACTS_KEY = "explained"

MIN_RANK_CORRELATION = 0.7
"""Spearman's correlation of the surrogate with the score on held-out scans, from which on its maps
are shown and fused. An engineering default: half of the ranks' variance (0.7 squared) explained."""


@dataclass(frozen=True, slots=True)
class Surrogate:
    """The network, its input for the mean real scan (1, 1, i, j, k), and the body on its grid.

    `rank_correlation` is its fidelity on held-out scans.
    """

    network: SurrogateNetwork
    baseline: torch.Tensor
    body: torch.Tensor
    rank_correlation: float

    @property
    def is_faithful(self) -> bool:
        """Whether it follows the score closely enough for its maps to be shown and fused."""
        return self.rank_correlation >= MIN_RANK_CORRELATION

    def require_fidelity(self) -> None:
        """Refuse to be explained where a map would say nothing about the score.

        Raises:
            ValueError: the surrogate is not faithful; the message holds the rank correlation.
        """
        if not self.is_faithful:
            raise ValueError(
                "SHAP explains a surrogate that follows the score too loosely: rank correlation "
                f"{self.rank_correlation:.2f} on held-out scans, at least "
                f"{MIN_RANK_CORRELATION:.2f} required"
            )


def surrogate_input(sample: Sample) -> torch.Tensor:
    """The network's input for a sample: the pooled aligned scan (1, i, j, k)."""
    return pooled(grids.tensor(sample.aligned, "cpu"), factor=POOLING)


def open_surrogate(
    learned: Learned, reference: ReferenceStatistics, *, device: str
) -> Surrogate | None:
    """The surrogate in what the segmentation learned, on the device; None without one."""
    arrays = arrays_below(learned.arrays, SURROGATE_KEY)
    if not arrays:
        return None
    mean_scan = pooled(grids.tensor(reference.intensity, "cpu"), factor=POOLING)
    body = pooled(grids.tensor(reference.body, "cpu"), factor=POOLING)[0]
    fidelity = float(learned.facts.get(FACTS_KEY, {}).get("rank_correlation", 0.0))
    network = from_arrays(arrays, device=device)
    return Surrogate(network, mean_scan[None].to(device), body > 0.5, fidelity)
