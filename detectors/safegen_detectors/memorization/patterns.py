"""The identity pattern: what is left of a scan when contrast and slow changes are taken away."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen.api import Prepared

Volume = NDArray[np.float32]
Displacement = tuple[int, int, int]
NOWHERE: Displacement = (0, 0, 0)

FINE, COARSE, CONTRAST = 0.6, 2.0, 3.0  # standard deviations of Gaussians, in voxels


def pattern(prepared: Prepared, *, softened: float = 0.0) -> Volume:
    """The identity pattern of a prepared scan, float32 (i, j, k), 0 outside the body.

    A band-pass by normalised convolution inside the body, divided by its local root mean square:
    gain, offset and slow changes of contrast are gone, and inverted contrast is a change of sign.
    `softened` first blurs the scan with a Gaussian of so many voxels.
    """
    voxels, inside = prepared.voxels, prepared.body.astype(np.float32)
    if softened:
        voxels = _blurred(voxels, inside, _gaussian(inside, softened), softened)
    fine = _blurred(voxels, inside, _gaussian(inside, FINE), FINE)
    coarse = _blurred(voxels, inside, _gaussian(inside, COARSE), COARSE)
    band = (fine - coarse) * inside
    energy = _blurred(band * band, inside, _gaussian(inside, CONTRAST), CONTRAST)
    return np.asarray(band / np.sqrt(energy + np.float32(1e-6)), dtype=np.float32)


def displaced(volume: NDArray[Any], displacement: Displacement) -> NDArray[Any]:
    """A volume (i, j, k) moved by whole voxels on its grid; 0 where nothing came."""
    found = np.zeros_like(volume)
    to = tuple(
        slice(max(d, 0), n + min(d, 0)) for d, n in zip(displacement, volume.shape, strict=True)
    )
    came = tuple(
        slice(max(-d, 0), n - max(d, 0)) for d, n in zip(displacement, volume.shape, strict=True)
    )
    found[to] = volume[came]
    return found


def _blurred(values: Volume, inside: Volume, weight: Volume, sigma: float) -> Volume:
    """A Gaussian mean over the body alone (normalised convolution, Knutsson and Westin 1993)."""
    mean = _gaussian(values * inside, sigma) / np.maximum(weight, np.float32(1e-3))
    return np.asarray(mean, dtype=np.float32)


def _gaussian(values: Volume, sigma: float) -> Volume:
    blurred = ndimage.gaussian_filter(values, sigma, truncate=3.0, output=np.float32)
    return np.asarray(blurred)
