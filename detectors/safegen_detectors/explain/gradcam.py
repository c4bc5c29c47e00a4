"""Grad-CAM: which places of a layer push the score up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from safegen_detectors.explain.scores import judging

if TYPE_CHECKING:
    from torch import nn


def grad_cam(score_of: nn.Module, volume: torch.Tensor, layer: nn.Module) -> torch.Tensor:
    """The Grad-CAM of a layer on the grid of the volume (c, i, j, k): float32 (i, j, k), >= 0.

    max(0, sum over channels of a_c A_c), A the layer's output (1, c, ...), a_c the mean over all
    places of the score's gradient by A_c (Selvaraju et al., ICCV 2017, equations 1 and 2).

    Raises:
        ValueError: the score does not depend on the layer, or the layer has no places.
    """
    seen: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda _, __, output: seen.append(output))
    try:
        with judging(score_of), torch.enable_grad():
            score = score_of(volume.detach()[None].requires_grad_(True))
    finally:
        hook.remove()
    if not seen or seen[0].ndim != 5:
        raise ValueError("the layer of Grad-CAM must give maps (n, c, i, j, k)")
    activation = seen[0]
    (gradient,) = torch.autograd.grad(score.sum(), activation, allow_unused=True)
    if gradient is None:
        raise ValueError("the score does not depend on the layer of Grad-CAM")
    weights = gradient.mean(dim=(2, 3, 4), keepdim=True)
    coarse = (weights * activation).sum(dim=1, keepdim=True).clamp(min=0)
    fine = functional.interpolate(coarse, size=volume.shape[1:], mode="trilinear")
    return fine[0, 0].detach()
