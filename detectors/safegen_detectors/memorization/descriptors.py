"""Local descriptors: what makes a patient's anatomy this patient's, block by block.

A prepared scan is halved in resolution, band-passed and contrast-normalised inside the body, cut
into blocks on a fixed lattice of the template, and each block projected on principal components.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen import Prepared
from pytest_safegen.prepare import halved

Volume = NDArray[np.float32]

BLOCK = 9
STRIDE = 3
COVERAGE = 0.75
COMPONENTS = 64
FINE, COARSE, CONTRAST = 0.6, 2.0, 3.0  # standard deviations of Gaussians, in lattice voxels
SOFT_WHITENING = -0.25  # exponent of the eigenvalues: between none (0) and full (-0.5)


@dataclass(frozen=True, slots=True)
class Lattice:
    """Corners (n, 3) of the blocks, in voxels of the halved grid, with a margin for shifts."""

    corners: NDArray[np.int64]

    def centres(self) -> NDArray[np.float64]:
        """Middles (n, 3) of the blocks, in voxels of the prepared grid."""
        return np.asarray(2.0 * (self.corners + (BLOCK - 1) / 2) + 0.5, dtype=np.float64)


def lattice_of(body: NDArray[np.bool_]) -> Lattice:
    """Blocks that lie at least three quarters in the body (i, j, k) of the prepared grid."""
    share = ndimage.uniform_filter(halved(body.astype(np.float32)), BLOCK, mode="constant")
    half = BLOCK // 2
    starts = [range(half + 1, n - half - 1, STRIDE) for n in share.shape]
    middles = np.array(np.meshgrid(*starts, indexing="ij")).reshape(3, -1).T
    kept = middles[share[tuple(middles.T)] >= COVERAGE]
    return Lattice(kept - half)


def mirror(volume: NDArray[Any], shift: int) -> NDArray[Any]:
    """Left and right exchanged (first axis), then moved by `shift` voxels; its own inverse."""
    return np.roll(volume[::-1], shift, axis=0)


def mirror_shift(body: NDArray[np.floating[Any]]) -> int:
    """The shift that lays a mirrored body (i, j, k) over itself: its middle is not the grid's."""
    middle = float(ndimage.center_of_mass(body)[0])
    return round(2 * middle - (int(body.shape[0]) - 1))


def pattern(prepared: Prepared, *, mirrored: int | None = None) -> Volume:
    """The identity pattern of a scan on the halved grid, float32 (i, j, k), 0 outside the body.

    Band-pass by normalised convolution, divided by the local root mean square. `mirrored` is the
    shift after left and right are exchanged; None leaves them as they are.
    """
    share, filled = prepared.body.astype(np.float32), prepared.voxels * prepared.body
    if mirrored is not None:
        share, filled = mirror(share, mirrored), mirror(filled, mirrored)
    body, values = halved(share), halved(filled)
    inside = body > 0.5
    mean = np.asarray(values / np.maximum(body, 1e-3), dtype=np.float32)
    fine, coarse = _blur(mean, inside, FINE), _blur(mean, inside, COARSE)
    band = np.asarray((fine - coarse) * inside, dtype=np.float32)
    energy = _blur(band * band, inside, CONTRAST)
    return np.asarray(band / np.sqrt(energy + 1e-6), dtype=np.float32)


def blocks(volume: Volume, lattice: Lattice, *, shift: tuple[int, int, int] = (0, 0, 0)) -> Volume:
    """Blocks (n, 729) of a pattern, mean removed, each corner moved by `shift` voxels."""
    windows = np.lib.stride_tricks.sliding_window_view(volume, (BLOCK, BLOCK, BLOCK))
    places = lattice.corners + np.array(shift)
    cut = windows[tuple(places.T)].reshape(len(places), -1)
    return np.asarray(cut - cut.mean(1, keepdims=True), dtype=np.float32)


def principal_axes(sample: Volume) -> Volume:
    """Softly whitened principal axes (729, c) of blocks (n, 729)."""
    covariance = sample.T.astype(np.float64) @ sample / len(sample)
    values, vectors = np.linalg.eigh(covariance)
    top = np.argsort(values)[::-1][: min(COMPONENTS, len(sample) - 1)]
    scale = np.maximum(values[top], values[top[0]] * 1e-6) ** SOFT_WHITENING
    return np.asarray(vectors[:, top] * scale, dtype=np.float32)


def described(cut: Volume, axes: Volume) -> torch.Tensor:
    """Unit descriptors (n, c) of blocks (n, 729)."""
    projected = torch.from_numpy(np.ascontiguousarray(cut)) @ torch.from_numpy(np.array(axes))
    return torch.nn.functional.normalize(projected, dim=1)


def _blur(values: Volume, inside: NDArray[np.bool_], sigma: float) -> Volume:
    weight = ndimage.gaussian_filter(inside.astype(np.float32), sigma)
    blurred = ndimage.gaussian_filter(values * inside, sigma)
    return np.asarray(blurred / np.maximum(weight, 1e-3), dtype=np.float32)
