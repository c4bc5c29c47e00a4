"""Maps of the surrogate by SHAP, brought from its coarse grid to the sample's own."""

from __future__ import annotations

import torch

from safegen_detectors.anomaly.explain.surrogate import POOLING, Surrogate, surrogate_input
from safegen_detectors.anomaly.reference import grids
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.explain import shapley
from safegen_detectors.explain.perturbation import cubic_supervoxels

SAMPLES = 20
CUBE, EVALUATIONS = 4, 400


def gradient_shap(surrogate: Surrogate, normalized: NormalizedSample) -> torch.Tensor:
    """Expected gradients of the predicted score."""
    volume = _volume(normalized)
    found = shapley.gradient_shap(
        surrogate.network, volume, surrogate.baseline, samples=SAMPLES, seed=0
    )
    return _on_own_grid(found, normalized)


def deep_shap(surrogate: Surrogate, normalized: NormalizedSample) -> torch.Tensor:
    """DeepLIFT's multipliers of the predicted score."""
    found = shapley.deep_shap(surrogate.network, _volume(normalized), surrogate.baseline)
    return _on_own_grid(found, normalized)


def partition_shap(surrogate: Surrogate, normalized: NormalizedSample) -> torch.Tensor:
    """Owen values of cubes of the body."""
    labels = cubic_supervoxels(surrogate.body.numpy(), side=CUBE)
    found = shapley.partition_shap_map(
        surrogate.network,
        _volume(normalized),
        surrogate.baseline[0],
        labels,
        evaluations=EVALUATIONS,
        seed=0,
    )
    return _on_own_grid(found, normalized)


def _volume(normalized: NormalizedSample) -> torch.Tensor:
    return surrogate_input(normalized.sample).to(normalized.device)


def _on_own_grid(found: torch.Tensor, normalized: NormalizedSample) -> torch.Tensor:
    """A map on the pooled template's grid, on the sample's own grid."""
    shrink = torch.diag(torch.tensor([1 / POOLING] * 3 + [1.0], dtype=torch.float64))
    shrink[:3, 3] = (1 - POOLING) / (2 * POOLING)
    matrix = shrink.numpy() @ normalized.sample.to_template
    moved = grids.pull(found.abs()[None].to(normalized.device), matrix, normalized.judged.shape)[0]
    return moved * normalized.judged
