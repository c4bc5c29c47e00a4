"""Similarity of two aligned images, voxel by voxel: shared anatomy, shared noise, local change.

All arrays are float32 (i, j, k) on one grid, after a rigid registration; a deformable one would
bend another patient's anatomy until it fits. Two real scans of one patient share the anatomy and
never the noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_safegen.api import BoolArray, FloatArray


WINDOW = 7
MATCH_SMOOTHING_VOXELS = 0.7
TINY_VARIANCE = 1e-6  # of images scaled to about 0..1: below it a window is flat
PATCH = 5
PATCH_OFFSET = 2

FLAT_SHARE = 0.3
MIN_FLAT_VOXELS = 2000

CHANGE_SMOOTHING_VOXELS = 2.0
QUANTILE_KNOTS = 50
INTENSITY_BINS = 12
FORGIVEN_MISALIGNMENT = 0.5  # mm


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


def local_match_map(fixed: FloatArray, moved: FloatArray) -> FloatArray:
    """`local_correlation` of the two images after the same light smoothing."""
    a, b = (ndimage.gaussian_filter(image, MATCH_SMOOTHING_VOXELS) for image in (fixed, moved))
    return local_correlation(a, b)


def self_similarity(image: FloatArray) -> FloatArray:
    """The 12 self-similarity channels of each voxel, 0..1, float32 (12, i, j, k).

    MIND-SSC of Heinrich et al. 2013: patches of 5 voxels, 2 voxels from the centre, compared
    between neighbours that do not face each other.
    """
    shifts = [
        tuple(sign * PATCH_OFFSET * np.eye(3, dtype=int)[axis])
        for axis in range(3)
        for sign in (-1, 1)
    ]
    neighbours = [ndimage.shift(image, shift, order=0, mode="nearest") for shift in shifts]
    pairs = [(m, n) for m, n in combinations(range(6), 2) if m // 2 != n // 2]
    distances = np.stack(
        [ndimage.uniform_filter((neighbours[m] - neighbours[n]) ** 2, PATCH) for m, n in pairs]
    )
    distances -= distances.min(axis=0)
    spread = distances.mean(axis=0)
    typical = max(float(spread.mean()), float(np.finfo(np.float32).tiny))
    spread = np.clip(spread, 1e-3 * typical, 1e3 * typical)
    return np.asarray(np.exp(-distances / spread), dtype=np.float32)


def self_similarity_distance(fixed: FloatArray, moved: FloatArray) -> FloatArray:
    """Mean absolute difference of the self-similarity channels at each voxel, 0 (alike) to 1."""
    distance = np.abs(self_similarity(fixed) - self_similarity(moved)).mean(axis=0)
    return np.asarray(distance, dtype=np.float32)


def fine_correlation(fixed: FloatArray, moved: FloatArray, *, where: BoolArray) -> float:
    """Pearson's correlation of structure between 0.7 and 1.5 voxels (sigma) wide, -1..1."""
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


def equal_share(first: FloatArray, second: FloatArray, *, where: BoolArray) -> float:
    """Share of the voxels in `where` that hold the same value in both, 0..1.

    Voxels at the top value of either scan are left out: clipped values are equal by chance.
    """
    counted = where & (first < first.max()) & (second < second.max())
    if not counted.any():
        return 0.0
    return float((first[counted] == second[counted]).mean())


def noise_correlation(
    first: FloatArray, second: FloatArray, *, where: BoolArray, sigmas: Sequence[float]
) -> float | None:
    """Pearson's correlation of two scans less their smooth part, -1..1.

    Only the flattest 30 % of the voxels in `where` count, so that edges have no part in it.
    `sigmas` in voxels along i, j, k; 0 along an axis whose slices are too thick to hold noise
    alone. None where too few voxels are left.
    """
    flat = flat_voxels(first, where=where)
    residuals = [image - ndimage.gaussian_filter(image, sigmas) for image in (first, second)]
    return _correlation(*residuals, where=flat)


def grain_correlation(first: FloatArray, second: FloatArray, *, where: BoolArray) -> float | None:
    """Pearson's correlation of the finest structure that two grids hold, -1..1.

    Second differences along all three axes (Immerkaer 1996, in 3D), in the flattest 30 % of the
    voxels in `where`: there it is noise. None where too few voxels are left.
    """
    flat = flat_voxels(first, where=where)
    return _correlation(second_differences(first), second_differences(second), where=flat)


def _correlation(first: FloatArray, second: FloatArray, *, where: BoolArray) -> float | None:
    """Pearson's correlation over `where`; None of too few voxels, or of a constant."""
    if where.sum() < MIN_FLAT_VOXELS:
        return None
    a, b = (image[where].astype(np.float64) for image in (first, second))
    if a.std() == 0 or b.std() == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def second_differences(image: FloatArray) -> FloatArray:
    """The finest structure of an image (i, j, k): second differences along all three axes."""
    for axis in range(3):
        image = ndimage.correlate1d(image, [-0.25, 0.5, -0.25], axis=axis)
    return image


def flat_voxels(image: FloatArray, *, where: BoolArray) -> BoolArray:
    """The 30 % of the voxels in `where` with the smallest gradient, bool (i, j, k)."""
    if not where.any():
        return where
    steepness = ndimage.gaussian_gradient_magnitude(image, 1.5)
    return np.asarray(where & (steepness <= np.quantile(steepness[where], FLAT_SHARE)), dtype=bool)


@dataclass(frozen=True, slots=True)
class ChangedRegion:
    """The largest connected part of a map above a limit.

    `voxels` is its size, `peak` the voxel of its highest value, (3,).
    """

    voxels: int
    peak: NDArray[np.int64]
    limit: float


def smooth_within(values: FloatArray, *, where: BoolArray) -> FloatArray:
    """Gaussian means (sigma 2 voxels) over the voxels in `where` alone; 0 outside."""
    weight = ndimage.gaussian_filter(where.astype(np.float32), CHANGE_SMOOTHING_VOXELS)
    means = ndimage.gaussian_filter(np.where(where, values, 0.0), CHANGE_SMOOTHING_VOXELS)
    return np.asarray(np.where(where, means / np.maximum(weight, 1e-3), 0.0), dtype=np.float32)


def largest_outlying_region(
    values: FloatArray, *, where: BoolArray, deviations: float
) -> ChangedRegion:
    """The largest region above median + `deviations` robust standard deviations of the map."""
    inside = values[where]
    middle = float(np.median(inside))
    spread = 1.4826 * float(np.median(np.abs(inside - middle)))
    return _largest_region_above(values, middle + deviations * max(spread, 1e-6), where)


def largest_region_below(values: FloatArray, *, where: BoolArray, level: float) -> ChangedRegion:
    """The largest region of a map below a level; its peak is the voxel of the lowest value."""
    return _largest_region_above(-values, -level, where)


def _largest_region_above(values: FloatArray, limit: float, where: BoolArray) -> ChangedRegion:
    labels, count = ndimage.label(where & (values > limit))
    if count == 0:
        return ChangedRegion(0, np.zeros(3, dtype=np.int64), limit)
    sizes = np.bincount(labels.ravel())[1:]
    largest = labels == 1 + int(sizes.argmax())
    peak = np.unravel_index(int(np.where(largest, values, -np.inf).argmax()), values.shape)
    return ChangedRegion(int(sizes.max()), np.array(peak, dtype=np.int64), limit)


def intensity_change(
    before: FloatArray, after: FloatArray, *, where: BoolArray, spacing: float
) -> FloatArray:
    """Change of intensity in robust standard deviations of the pair's own changes, signed.

    The values of `before` are first brought to the distribution of `after` (quantiles in `where`).
    A change is then divided by sqrt(sigma(I)^2 + (0.5 mm |grad I|)^2): sigma is that of voxels of
    similar intensity, as in lesion tools that learn from normal tissue, and the second term
    forgives half a millimetre of misalignment. 0 outside `where`.
    """
    levels = np.linspace(0, 1, QUANTILE_KNOTS)
    sources, targets = (np.quantile(image[where], levels) for image in (before, after))
    matched = np.asarray(np.interp(before, sources, targets), dtype=np.float64)
    change = after - matched
    sigma = _sigma_by_intensity(matched, change, where)
    slope = ndimage.gaussian_gradient_magnitude(after, 1.0) / spacing
    z = change / np.sqrt(sigma**2 + (FORGIVEN_MISALIGNMENT * slope) ** 2)
    return np.asarray(np.where(where, z, 0.0), dtype=np.float32)


def _sigma_by_intensity(
    values: NDArray[np.float64], change: NDArray[np.float64], where: BoolArray
) -> NDArray[np.float64]:
    edges = np.quantile(values[where], np.linspace(0, 1, INTENSITY_BINS + 1)[1:-1])
    bins = np.digitize(values, edges)
    sigmas = np.full(INTENSITY_BINS, 1e-3)
    for number in range(INTENSITY_BINS):
        same = change[where & (bins == number)]
        if same.size:
            middle = np.median(same)
            sigmas[number] = max(1.4826 * float(np.median(np.abs(same - middle))), 1e-3)
    return np.asarray(sigmas[bins], dtype=np.float64)
