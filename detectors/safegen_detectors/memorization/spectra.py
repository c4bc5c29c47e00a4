"""Cross-correlation of crops at all displacements, by products of their spectra."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from safegen_detectors.memorization.patterns import Volume

STEP = 3  # voxels between displacements; blocks look 2 further, and detail finer than 6 is left out
NUMBERS_AT_ONCE = 2**20  # of spectra: 8 MiB
FARTHEST = 0.44  # of a side; the rest must overlap


def spectra_of(patterns: torch.Tensor) -> torch.Tensor:
    """Spectra (n, a, b, c) of patterns (n, i, j, k), padded for displacements, low frequencies."""
    shape = patterns.shape[1:]
    padded = [STEP * size for size in _sizes(shape)]
    found: torch.Tensor = torch.fft.rfftn(patterns, s=padded, dim=(1, 2, 3))
    for axis, size in enumerate(_sizes(shape), 1):
        half, last = size // 2, axis == 3
        low = found.narrow(axis, 0, half + last)
        high = found.narrow(axis, found.shape[axis] - half, 0 if last else half)
        found = torch.cat([low, high], axis)
        found.narrow(axis, half, 1).zero_()  # the highest frequency has no partner
    return found.contiguous()


def correlations(volume: Volume, spectra: torch.Tensor) -> torch.Tensor:
    """Of a pattern (i, j, k) with others (n, spectra): (n, displacements along three axes).

    The sum of products over the square root of how many voxels overlap, which is as high by chance
    at every displacement. `displacements` tells which they are; beyond the farthest it is 0.
    """
    return _correlated(_spectrum(volume, spectra.device), spectra, volume.shape)


def peaks(volume: Volume, spectra: torch.Tensor) -> torch.Tensor:
    """The highest magnitude (n,) of `correlations` at any displacement."""
    own = _spectrum(volume, spectra.device)
    parts = torch.split(spectra, max(1, NUMBERS_AT_ONCE // own.numel()))
    found = [_correlated(own, part, volume.shape).abs().flatten(1).amax(1) for part in parts]
    return torch.cat(found)


def displacements(shape: Sequence[int]) -> list[NDArray[np.int64]]:
    """What is added to a place in the pattern to come to the same place in the other, by axis."""
    return [STEP * ((np.arange(n) + n // 2) % n - n // 2) for n in _sizes(shape)]


def _spectrum(volume: Volume, device: torch.device) -> torch.Tensor:
    return spectra_of(torch.from_numpy(np.ascontiguousarray(volume))[None].to(device))


def _correlated(own: torch.Tensor, others: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    sums: torch.Tensor = torch.fft.irfftn(others * own.conj(), s=_sizes(shape), dim=(1, 2, 3))
    return sums * torch.from_numpy(_weights(shape)).to(sums.device)


def _sizes(shape: Sequence[int]) -> list[int]:
    """How many displacements there are along each axis, an even number."""
    return [2 * int(np.ceil(n * (1 + FARTHEST) / (2 * STEP))) for n in shape]


def _weights(shape: Sequence[int]) -> Volume:
    axes = []
    for steps, length in zip(displacements(shape), shape, strict=True):
        overlap = length - np.abs(steps)
        near = np.abs(steps) <= FARTHEST * length
        axes.append(np.where(near, 1 / np.sqrt(np.maximum(overlap, 1)) / STEP, 0.0))
    return np.asarray(axes[0][:, None, None] * axes[1][:, None] * axes[2], dtype=np.float32)
