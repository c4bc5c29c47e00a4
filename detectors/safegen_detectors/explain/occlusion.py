"""Occlusion: how much the score falls where a cube is made normal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import torch

from safegen_detectors.explain.scores import scores

if TYPE_CHECKING:
    from torch import nn

Cube = tuple[slice, slice, slice]


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
    (Zeiler and Fergus, ECCV 2014). Cubes without a voxel of `body` bool (i, j, k) are left out
    and voxels that no cube holds are 0.
    """
    places = cubes_of(volume.shape[1:], side=side, step=step)
    if body is not None:
        places = [cube for cube in places if bool(body[cube].any())]
    changed = (_without(volume, baseline, cube) for cube in places)
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


def _without(volume: torch.Tensor, baseline: torch.Tensor, cube: Cube) -> torch.Tensor:
    changed = volume.clone()
    changed[:, *cube] = baseline[:, *cube]
    return changed
