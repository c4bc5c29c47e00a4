"""Attribution maps without a library: Grad-CAM, gradients and occlusion."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from safegen_detectors.explain.perturbation import evaluation_mode, scores

if TYPE_CHECKING:
    from torch import nn


Cube = tuple[slice, slice, slice]


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
        with evaluation_mode(score_of), torch.enable_grad():
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


def gradients(score_of: nn.Module, volumes: torch.Tensor) -> torch.Tensor:
    """The gradient of each volume's score by its voxels: (n, c, i, j, k) as the volumes."""
    inputs = volumes.detach().clone().requires_grad_(True)
    with evaluation_mode(score_of), torch.enable_grad():
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
    """Mean gradient on the line from baseline to volume, times their difference: (i, j, k).

    Its sum is the score of the volume minus that of the baseline, up to the error of the midpoint
    rule with `steps` points (Sundararajan et al., ICML 2017).
    """
    difference = volume - baseline
    points = [(step + 0.5) / steps for step in range(steps)]
    total = torch.zeros_like(volume)
    for start in range(0, steps, batch):
        places = _points_between(baseline, difference, points[start : start + batch])
        total += gradients(score_of, places).sum(dim=0)
    return (total / steps * difference).sum(dim=0)


def _points_between(
    baseline: torch.Tensor, difference: torch.Tensor, points: Sequence[float]
) -> torch.Tensor:
    return torch.stack([baseline + point * difference for point in points])


def occlusion(
    score_of: nn.Module,
    volume: torch.Tensor,
    baseline: torch.Tensor,
    *,
    side: int,
    step: int,
    batch: int = 4,
    body: torch.Tensor | None = None,
) -> torch.Tensor:
    """The fall of the score where cubes are replaced by the baseline: float32 (i, j, k).

    At each voxel the mean over the cubes that hold it, cubes of `side` voxels every `step` voxels
    (Zeiler and Fergus, ECCV 2014). Cubes without a voxel of `body` bool (i, j, k) are skipped,
    and voxels that no cube holds are 0.
    """
    places = cubes_of(volume.shape[1:], side=side, step=step)
    if body is not None:
        places = [cube for cube in places if bool(body[cube].any())]
    changed = (_replaced(volume, baseline, cube) for cube in places)
    found = scores(score_of, (volume, *changed), batch=batch)
    total, times = (torch.zeros(volume.shape[1:], device=volume.device) for _ in range(2))
    for cube, score in zip(places, found[1:], strict=True):
        total[cube] += found[0] - score
        times[cube] += 1
    return total / times.clamp(min=1)


def cubes_of(shape: Sequence[int], *, side: int, step: int) -> list[Cube]:
    """Cubes that cover a grid: every `step` voxels, the last of each axis flush with its end."""
    starts = [sorted({*range(0, max(n - side, 0), step), max(n - side, 0)}) for n in shape]
    return [
        (slice(i, i + side), slice(j, j + side), slice(k, k + side)) for i, j, k in product(*starts)
    ]


def _replaced(volume: torch.Tensor, baseline: torch.Tensor, cube: Cube) -> torch.Tensor:
    changed = volume.clone()
    changed[:, *cube] = baseline[:, *cube]
    return changed
