"""How alike two aligned images are, place by place: the mathematics behind the identity check.

All arrays are float32 (i, j, k) on one grid, after a rigid registration. A deformable one would
bend another patient's anatomy until it fits.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from pytest_safegen.api import BoolArray, FloatArray

WINDOW = 7
SMOOTHING_VOXELS = 0.7
TINY_VARIANCE = 1e-6  # of images scaled to about 0..1: below it a window is flat
PATCH = 5
REACH = 2


def local_correlation(fixed: FloatArray, moved: FloatArray, *, window: int = WINDOW) -> FloatArray:
    """Pearson's correlation within a cube of `window` voxels around each voxel, -1..1.

    0 where either window is flat (Avants et al. 2008, without the square).
    """
    a, b = (image.astype(np.float64) for image in (fixed, moved))
    mean_a, mean_b = (ndimage.uniform_filter(image, window) for image in (a, b))
    covariance = ndimage.uniform_filter(a * b, window) - mean_a * mean_b
    variance_a = ndimage.uniform_filter(a * a, window) - mean_a**2
    variance_b = ndimage.uniform_filter(b * b, window) - mean_b**2
    flat = (variance_a < TINY_VARIANCE) | (variance_b < TINY_VARIANCE)
    scale = np.sqrt(np.where(flat, 1.0, variance_a * variance_b))
    return np.clip(np.where(flat, 0.0, covariance / scale), -1.0, 1.0).astype(np.float32)


def match_map(fixed: FloatArray, moved: FloatArray) -> FloatArray:
    """`local_correlation` of the two images after the same light smoothing."""
    a, b = (ndimage.gaussian_filter(image, SMOOTHING_VOXELS) for image in (fixed, moved))
    return local_correlation(a, b)


def self_similarity(image: FloatArray) -> FloatArray:
    """The 12 self-similarity channels of each voxel, 0..1, float32 (12, i, j, k).

    MIND-SSC of Heinrich et al. 2013: patches of 5 voxels, 2 voxels from the centre, compared
    between neighbours that do not face each other.
    """
    shifts = [
        tuple(sign * REACH * np.eye(3, dtype=int)[axis]) for axis in range(3) for sign in (-1, 1)
    ]
    around = [ndimage.shift(image, shift, order=0, mode="nearest") for shift in shifts]
    pairs = [(m, n) for m, n in combinations(range(6), 2) if m // 2 != n // 2]
    distances = np.stack(
        [ndimage.uniform_filter((around[m] - around[n]) ** 2, PATCH) for m, n in pairs]
    )
    distances -= distances.min(axis=0)
    spread = distances.mean(axis=0)
    usual = max(float(spread.mean()), float(np.finfo(np.float32).tiny))
    spread = np.clip(spread, 1e-3 * usual, 1e3 * usual)
    return np.asarray(np.exp(-distances / spread), dtype=np.float32)


def self_similarity_distance(fixed: FloatArray, moved: FloatArray) -> FloatArray:
    """Mean absolute difference of the self-similarity channels at each voxel, 0 (alike) to 1."""
    distance = np.abs(self_similarity(fixed) - self_similarity(moved)).mean(axis=0)
    return np.asarray(distance, dtype=np.float32)


def fine_correlation(fixed: FloatArray, moved: FloatArray, *, where: BoolArray) -> float:
    """Pearson's correlation of what is between 0.7 and 1.5 voxels (sigma) wide, -1..1."""
    a, b = (
        (ndimage.gaussian_filter(image, 0.7) - ndimage.gaussian_filter(image, 1.5))[where]
        for image in (fixed, moved)
    )
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a.astype(np.float64), b.astype(np.float64))[0, 1])


def gradient_correlation(
    fixed: FloatArray, moved: FloatArray, *, where: BoolArray, sigma_voxels: float
) -> float:
    """Pearson's correlation of the two gradient magnitudes; 0 where one is constant."""
    a, b = (
        ndimage.gaussian_gradient_magnitude(image, sigma_voxels)[where].astype(np.float64)
        for image in (fixed, moved)
    )
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
