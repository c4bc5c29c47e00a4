"""Resample maps between a scan's own grid and the template's grid, as torch tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from safegen_detectors.anomaly.reference.types import Matrix, ReferenceStatistics, Sample


def pull(
    maps: torch.Tensor,
    matrix: Matrix,
    shape: Sequence[int],
    *,
    outside: Literal["border", "zeros"] = "border",
) -> torch.Tensor:
    """Maps (c, i, j, k) on another grid, float32 (c, *shape), by linear interpolation.

    `matrix` 4x4 takes voxel indices of the new grid to those of the old; `outside` of the old
    grid its border is repeated, or it is zero.
    """
    relative = _relative(places(matrix, shape, device=maps.device), maps.shape[-3:])
    moved = functional.grid_sample(
        maps.float()[None],
        relative[None],
        mode="bilinear",
        padding_mode=outside,
        align_corners=True,
    )
    return moved[0]


def onto_own(maps: torch.Tensor, sample: Sample) -> torch.Tensor:
    """Maps (c, i, j, k) on the template's grid, brought to the sample's own grid."""
    return pull(maps, sample.to_template, sample.own.shape)


def onto_own_coarsely(maps: torch.Tensor, sample: Sample) -> torch.Tensor:
    """As `onto_own`, of every second voxel and linear between them: for smooth maps, fourfold."""
    shape = sample.own.shape
    half = [n // 2 + 1 for n in shape]
    coarse = pull(maps, sample.to_template @ np.diag([2.0, 2.0, 2.0, 1.0]), half)
    full = [2 * n - 1 for n in half]
    fine = functional.interpolate(coarse[None], size=full, mode="trilinear", align_corners=True)
    i, j, k = shape
    return fine[0, :, :i, :j, :k]


def onto_template(maps: torch.Tensor, sample: Sample) -> torch.Tensor:
    """Maps (c, i, j, k) on the sample's own grid, brought to the template's grid."""
    to_own = np.asarray(np.linalg.inv(sample.to_template), dtype=np.float64)
    return pull(maps, to_own, sample.aligned.shape)


def mirrored(sample: Sample, reference: ReferenceStatistics) -> Matrix:
    """4x4: a voxel of the own grid to the voxel on the other side of the body.

    Raises:
        ValueError: left and right do not correspond in this body part.
    """
    if reference.mirror is None:
        raise ValueError("left and right do not correspond in this body part")
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = sample.aligned.shape[0] - 1 + reference.mirror
    return np.asarray(np.linalg.inv(sample.to_template) @ flip @ sample.to_template)


def flipped(maps: torch.Tensor, reference: ReferenceStatistics) -> torch.Tensor:
    """Maps (..., i, j, k) on the template's grid, left for right."""
    if reference.mirror is None:
        raise ValueError("left and right do not correspond in this body part")
    return torch.roll(maps.flip(-3), reference.mirror, -3)


def tensor(array: np.ndarray[Any, Any], device: str) -> torch.Tensor:
    """A float32 copy of an array as a tensor; arrays of the gate are read-only."""
    return torch.tensor(array, device=device).float()


def places(matrix: Matrix, shape: Sequence[int], *, device: str | torch.device) -> torch.Tensor:
    """Where each voxel of a grid of `shape` lies in another, as its index (i, j, k, 3)."""
    linear = torch.tensor(matrix, dtype=torch.float32, device=device)
    i, j, k = (torch.arange(n, dtype=torch.float32, device=device) for n in shape)
    return (
        i[:, None, None, None] * linear[:3, 0]
        + j[None, :, None, None] * linear[:3, 1]
        + k[None, None, :, None] * linear[:3, 2]
        + linear[:3, 3]
    )


def _relative(index: torch.Tensor, source: Sequence[int]) -> torch.Tensor:
    """Indices (i, j, k, 3) of a grid of `source` as -1..1, last axis first."""
    size = torch.tensor([max(n - 1, 1) for n in source], dtype=torch.float32, device=index.device)
    return (2 * index / size - 1).flip(-1)
