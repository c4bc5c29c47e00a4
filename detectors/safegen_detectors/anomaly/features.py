"""Multi-scale feature maps of a prepared scan: intensity, texture, edges, fine patterns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pytest_safegen import NotJudged, ScanTarget

Box = tuple[slice, slice, slice]

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


def feature_maps(voxels: NDArray[np.float32], *, device: str) -> torch.Tensor:
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


def template_features(target: ScanTarget, box: Box, *, device: str) -> torch.Tensor:
    """The feature maps of a scan, float32 (8, i, j, k), within a box of the template's grid.

    They are computed on the scan's own grid and only then brought to the template's, because
    interpolated voxels have lost the fine patterns that tell faults.

    Raises:
        NotJudged: the scan is not prepared.
    """
    own, prepared = target.own, target.prepared
    if own is None or prepared is None:
        raise NotJudged(target.unprepared or "the scan is not prepared")
    to_own = np.linalg.inv(own.affine) @ prepared.to_scan @ prepared.affine
    places = _places(to_own, box, own.voxels.shape, device=device)
    maps = feature_maps(own.voxels, device=device)
    moved = functional.grid_sample(
        maps[None], places[None], mode="bilinear", padding_mode="border", align_corners=True
    )
    return moved[0]


def _places(
    to_own: NDArray[np.float64], box: Box, shape: Sequence[int], *, device: str
) -> torch.Tensor:
    """Voxels of the box in a grid of `shape`: (i, j, k, 3), -1..1, last axis first."""
    axes = [torch.arange(part.start, part.stop, dtype=torch.float32, device=device) for part in box]
    matrix = torch.tensor(to_own, dtype=torch.float32, device=device)
    index = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    own = index @ matrix[:3, :3].T + matrix[:3, 3]
    size = torch.tensor([max(n - 1, 1) for n in shape], dtype=torch.float32, device=device)
    return (2 * own / size - 1).flip(-1)


def box_around(region: NDArray[np.bool_]) -> Box:
    """The smallest box of voxels that holds a region (i, j, k)."""
    i, j, k = (slice(int(n.min()), int(n.max()) + 1) for n in np.nonzero(region))
    return i, j, k


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
