"""The identity pattern of a scan, and its cross-correlation with others.

The pattern is what is left when contrast and slow changes are taken away. Crops have no
outline to be registered by, so their patterns are cross-correlated at all displacements at
once, by products of their spectra.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen.api import Prepared

Volume = NDArray[np.float32]
Displacement = tuple[int, int, int]
NO_DISPLACEMENT: Displacement = (0, 0, 0)

FINE, COARSE, CONTRAST = 0.6, 2.0, 3.0  # standard deviations of Gaussians, in voxels

# Voxels between displacements; blocks are searched 2 further, and detail finer than 6 is left out.
DISPLACEMENT_STEP = 3
SPECTRUM_NUMBERS_AT_ONCE = 2**20  # of spectra: 8 MiB
FARTHEST_SHARE = 0.44  # of a side; the rest must overlap


def identity_pattern(prepared: Prepared, *, blur: float = 0.0) -> Volume:
    """The identity pattern of a prepared scan, float32 (i, j, k), 0 outside the body.

    A band-pass by normalised convolution inside the body, divided by its local root mean square:
    gain, offset and slow changes of contrast are gone, and inverted contrast is a change of sign.
    `blur` is the standard deviation in voxels of a Gaussian that blurs the scan first.
    """
    voxels, inside = prepared.voxels, prepared.body.astype(np.float32)
    if blur:
        voxels = _masked_blur(voxels, inside, _gaussian(inside, blur), blur)
    fine = _masked_blur(voxels, inside, _gaussian(inside, FINE), FINE)
    coarse = _masked_blur(voxels, inside, _gaussian(inside, COARSE), COARSE)
    band = (fine - coarse) * inside
    energy = _masked_blur(band * band, inside, _gaussian(inside, CONTRAST), CONTRAST)
    return np.asarray(band / np.sqrt(energy + np.float32(1e-6)), dtype=np.float32)


def displace(volume: NDArray[Any], displacement: Displacement) -> NDArray[Any]:
    """A volume (i, j, k) moved by whole voxels on its grid; 0 where nothing moved in."""
    moved = np.zeros_like(volume)
    target = tuple(
        slice(max(d, 0), n + min(d, 0)) for d, n in zip(displacement, volume.shape, strict=True)
    )
    source = tuple(
        slice(max(-d, 0), n - max(d, 0)) for d, n in zip(displacement, volume.shape, strict=True)
    )
    moved[target] = volume[source]
    return moved


def _masked_blur(values: Volume, inside: Volume, weight: Volume, sigma: float) -> Volume:
    """A Gaussian mean over the body alone (normalised convolution, Knutsson and Westin 1993)."""
    mean = _gaussian(values * inside, sigma) / np.maximum(weight, np.float32(1e-3))
    return np.asarray(mean, dtype=np.float32)


def _gaussian(values: Volume, sigma: float) -> Volume:
    blurred = ndimage.gaussian_filter(values, sigma, truncate=3.0, output=np.float32)
    return np.asarray(blurred)


def spectra_of(patterns: torch.Tensor) -> torch.Tensor:
    """Spectra (n, a, b, c) of patterns (n, i, j, k), padded for displacements, low frequencies."""
    shape = patterns.shape[1:]
    padded = [DISPLACEMENT_STEP * size for size in _displacement_counts(shape)]
    spectra: torch.Tensor = torch.fft.rfftn(patterns, s=padded, dim=(1, 2, 3))
    for axis, size in enumerate(_displacement_counts(shape), 1):
        half, last = size // 2, axis == 3
        low = spectra.narrow(axis, 0, half + last)
        high = spectra.narrow(axis, spectra.shape[axis] - half, 0 if last else half)
        spectra = torch.cat([low, high], axis)
        spectra.narrow(axis, half, 1).zero_()  # the highest frequency has no partner
    return spectra.contiguous()


def correlations(pattern: Volume, spectra: torch.Tensor) -> torch.Tensor:
    """Correlations of a pattern (i, j, k) with n others, by their spectra: (n, displacements).

    The sum of products over the square root of how many voxels overlap, which is as high by chance
    at every displacement. `displacements` lists them by axis; beyond the farthest it is 0.
    """
    return _correlate(_spectrum(pattern, spectra.device), spectra, pattern.shape)


def peak_correlations(pattern: Volume, spectra: torch.Tensor) -> torch.Tensor:
    """The highest magnitude (n,) of `correlations` at any displacement."""
    spectrum = _spectrum(pattern, spectra.device)
    parts = torch.split(spectra, max(1, SPECTRUM_NUMBERS_AT_ONCE // spectrum.numel()))
    peaks = [_correlate(spectrum, part, pattern.shape).abs().flatten(1).amax(1) for part in parts]
    return torch.cat(peaks)


def displacements(shape: Sequence[int]) -> list[NDArray[np.int64]]:
    """The displacements in voxels along each axis that lay the pattern over the other."""
    return [
        DISPLACEMENT_STEP * ((np.arange(n) + n // 2) % n - n // 2)
        for n in _displacement_counts(shape)
    ]


def _spectrum(pattern: Volume, device: torch.device) -> torch.Tensor:
    return spectra_of(torch.from_numpy(np.ascontiguousarray(pattern))[None].to(device))


def _correlate(spectrum: torch.Tensor, others: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    sums: torch.Tensor = torch.fft.irfftn(
        others * spectrum.conj(), s=_displacement_counts(shape), dim=(1, 2, 3)
    )
    return sums * torch.from_numpy(_overlap_weights(shape)).to(sums.device)


def _displacement_counts(shape: Sequence[int]) -> list[int]:
    """How many displacements there are along each axis, an even number."""
    return [2 * int(np.ceil(n * (1 + FARTHEST_SHARE) / (2 * DISPLACEMENT_STEP))) for n in shape]


def _overlap_weights(shape: Sequence[int]) -> Volume:
    axes = []
    for steps, length in zip(displacements(shape), shape, strict=True):
        overlap = length - np.abs(steps)
        near = np.abs(steps) <= FARTHEST_SHARE * length
        axes.append(np.where(near, 1 / np.sqrt(np.maximum(overlap, 1)) / DISPLACEMENT_STEP, 0.0))
    return np.asarray(axes[0][:, None, None] * axes[1][:, None] * axes[2], dtype=np.float32)
