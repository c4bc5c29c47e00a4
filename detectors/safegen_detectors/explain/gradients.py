"""Gradients of the score by its input, times how far the input is from normal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from safegen_detectors.explain.scores import judging

if TYPE_CHECKING:
    from torch import nn


def gradients(score_of: nn.Module, volumes: torch.Tensor) -> torch.Tensor:
    """The gradient of each volume's score by its voxels: (n, c, i, j, k) as the volumes."""
    inputs = volumes.detach().clone().requires_grad_(True)
    with judging(score_of), torch.enable_grad():
        (found,) = torch.autograd.grad(score_of(inputs).sum(), inputs)
    return found


def gradient_times_change(
    score_of: nn.Module, volume: torch.Tensor, baseline: torch.Tensor
) -> torch.Tensor:
    """Gradient times (volume - baseline), channels summed: float32 (i, j, k)."""
    gradient = gradients(score_of, volume[None])[0]
    return (gradient * (volume - baseline)).sum(dim=0)


def integrated_gradients(
    score_of: nn.Module, volume: torch.Tensor, baseline: torch.Tensor, *, steps: int, batch: int = 4
) -> torch.Tensor:
    """Mean gradient on the straight way from baseline to volume, times the way: (i, j, k).

    Its sum is the score of the volume minus that of the baseline, up to the error of the midpoint
    rule with `steps` points (Sundararajan et al., ICML 2017).
    """
    way = volume - baseline
    points = [(step + 0.5) / steps for step in range(steps)]
    total = torch.zeros_like(volume)
    for start in range(0, steps, batch):
        places = _along(baseline, way, points[start : start + batch])
        total += gradients(score_of, places).sum(dim=0)
    return (total / steps * way).sum(dim=0)


def _along(baseline: torch.Tensor, way: torch.Tensor, points: Sequence[float]) -> torch.Tensor:
    return torch.stack([baseline + point * way for point in points])
