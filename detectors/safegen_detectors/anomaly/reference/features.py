"""Multi-scale feature maps of a scan on its own grid: intensity, texture, edges, fine patterns.

They are computed before any resampling to the template, because interpolation removes the fine
patterns by which faults are found.
"""

from __future__ import annotations

import torch
from torch.nn import functional

FEATURE_NAMES = (
    "voxels",
    "intensity",
    "coarse intensity",
    "structure",
    "fine texture",
    "coarse texture",
    "edges",
    "coarse edges",
    "contrast",
    "voxel-to-voxel pattern",
    "steps from left to right",
    "steps from back to front",
    "steps from bottom to top",
    "checkerboard pattern",
)
MIRRORED = (1, 2, 5, 8)
"""Which features are also compared with the other side of the body."""
MIRRORED_NAMES = tuple(f"{FEATURE_NAMES[index]}, left against right" for index in MIRRORED)
FINE_FLOOR, CONTRAST_FLOOR, PATTERN_FLOOR = 0.01, 0.02, 0.05
"""They keep the logarithm of blank regions finite."""


def feature_maps(volume: torch.Tensor) -> torch.Tensor:
    """Maps of FEATURE_NAMES, float32 (14, i, j, k), of a volume (i, j, k) scaled to about 0..1."""
    smooth = box_mean(volume, 3)
    coarse = box_mean(box_mean(smooth, 5), 5)
    detail = volume - smooth
    energy = detail * detail
    steps = [second_difference(volume, axis) for axis in range(3)]
    checkers = second_difference(second_difference(steps[0], 1), 2)
    scales = box_mean(
        torch.stack(
            [
                (volume - coarse) ** 2,
                (detail - box_mean(detail, 3)).abs(),
                checkers.abs(),
                *(step * step for step in steps),
            ]
        ),
        5,
    )
    return torch.stack(
        [
            volume,
            smooth,
            coarse,
            smooth - coarse,
            _log_root(box_mean(energy, 3), FINE_FLOOR),
            _log_root(box_mean(energy, 7), FINE_FLOOR),
            box_mean(gradient_magnitude(smooth), 3),
            gradient_magnitude(coarse),
            _log_root(scales[0], CONTRAST_FLOOR),
            scales[1],
            *(_log_root(step, CONTRAST_FLOOR) for step in scales[3:]),
            torch.log(scales[2] + PATTERN_FLOOR),
        ]
    )


def box_mean(maps: torch.Tensor, width: int) -> torch.Tensor:
    """Mean over a cube of `width` (odd) voxels, borders repeated; maps (..., i, j, k).

    Sums of shifted views: on a processor eight times faster than average pooling.
    """
    half = width // 2
    for axis in (-3, -2, -1):
        n = maps.shape[axis]
        first, last = maps.narrow(axis, 0, 1), maps.narrow(axis, n - 1, 1)
        padded = torch.cat([first] * half + [maps] + [last] * half, axis)
        total = padded.narrow(axis, 0, n).clone()
        for start in range(1, width):
            total += padded.narrow(axis, start, n)
        maps = total.mul_(1 / width)
    return maps


def second_difference(volume: torch.Tensor, axis: int) -> torch.Tensor:
    """x[n-1] - 2 x[n] + x[n+1] along an axis of (i, j, k), borders repeated."""
    pad = [0] * 6
    pad[4 - 2 * axis] = pad[5 - 2 * axis] = 1
    padded = functional.pad(volume[None, None], pad, mode="replicate")[0, 0]
    n = volume.shape[axis]
    return padded.narrow(axis, 0, n) - 2 * volume + padded.narrow(axis, 2, n)


def gradient_magnitude(volume: torch.Tensor) -> torch.Tensor:
    """Length of the central-difference gradient, per voxel, of a map (i, j, k)."""
    squared = torch.zeros_like(volume)
    for axis in range(3):
        if volume.shape[axis] > 1:
            (part,) = torch.gradient(volume, dim=axis)
            squared = squared + part * part
    return torch.sqrt(squared + 1e-12)


def _log_root(energy: torch.Tensor, floor: float) -> torch.Tensor:
    return torch.log(energy.clamp_min(0).sqrt() + floor)
