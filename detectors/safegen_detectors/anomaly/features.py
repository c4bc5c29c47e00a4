"""Multi-scale feature maps of a prepared scan: intensity, texture, edges, fine patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMES = (
    "intensity",
    "coarse intensity",
    "fine texture",
    "coarse texture",
    "edges",
    "coarse edges",
    "contrast",
    "voxel-to-voxel pattern",
)
FINE_FLOOR, CONTRAST_FLOOR = 0.01, 0.02  # keep the logarithm of blank regions finite


def feature_maps(voxels: NDArray, *, device: str) -> torch.Tensor:  # type: ignore[type-arg]
    """The maps of NAMES, float32 (8, i, j, k), of voxels (i, j, k) scaled to about 0..1."""
    # A copy, since prepared voxels are read-only and torch tensors cannot be.
    volume = torch.tensor(voxels, dtype=torch.float32, device=device)
    smooth = box_mean(volume, 3)
    coarse = box_mean(box_mean(smooth, 5), 5)
    detail = volume - smooth
    energy = detail * detail
    return torch.stack(
        [
            smooth,
            coarse,
            torch.log(box_mean(energy, 3).clamp_min(0).sqrt() + FINE_FLOOR),
            torch.log(box_mean(energy, 7).clamp_min(0).sqrt() + FINE_FLOOR),
            box_mean(gradient_magnitude(smooth), 3),
            box_mean(gradient_magnitude(coarse), 3),
            torch.log(box_mean((volume - coarse) ** 2, 5).clamp_min(0).sqrt() + CONTRAST_FLOOR),
            box_mean((detail - box_mean(detail, 3)).abs(), 5),
        ]
    )


def box_mean(maps: torch.Tensor, width: int) -> torch.Tensor:
    """Mean over a cube of `width` (odd) voxels, borders repeated; maps (..., i, j, k)."""
    lead, shape = maps.shape[:-3], maps.shape[-3:]
    x = maps.reshape(-1, 1, *shape)
    half = width // 2
    for axis in range(3):
        pad = [0] * 6
        pad[4 - 2 * axis] = pad[5 - 2 * axis] = half
        kernel = [1, 1, 1]
        kernel[axis] = width
        x = functional.avg_pool3d(functional.pad(x, pad, mode="replicate"), kernel, stride=1)
    return x.reshape(*lead, *shape)


def gradient_magnitude(volume: torch.Tensor) -> torch.Tensor:
    """Length of the central-difference gradient, per voxel, of a map (i, j, k)."""
    parts = torch.gradient(volume, dim=(0, 1, 2))
    return torch.sqrt(sum(part * part for part in parts) + 1e-12)  # type: ignore[arg-type]
