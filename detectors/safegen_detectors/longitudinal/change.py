"""Where two aligned scans differ more than elsewhere: the mathematics behind the local check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_safegen.api import BoolArray, FloatArray

SMOOTHING_VOXELS = 2.0
KNOTS = 50
BINS = 12
FORGIVEN = 0.5  # mm of misalignment


@dataclass(frozen=True, slots=True)
class Region:
    """The largest connected part of a map above a limit.

    `voxels` counts it, `middle` is the voxel of its highest value, (3,); `limit` is the limit.
    """

    voxels: int
    middle: NDArray[np.int64]
    limit: float


def smoothed(values: FloatArray, *, where: BoolArray) -> FloatArray:
    """Gaussian means (sigma 2 voxels) over the voxels in `where` alone; 0 outside."""
    weight = ndimage.gaussian_filter(where.astype(np.float32), SMOOTHING_VOXELS)
    means = ndimage.gaussian_filter(np.where(where, values, 0.0), SMOOTHING_VOXELS)
    found = np.where(where, means / np.maximum(weight, 1e-3), 0.0)
    return np.asarray(found, dtype=np.float32)


def standing_out(values: FloatArray, *, where: BoolArray, deviations: float) -> Region:
    """The largest region above median + so many robust standard deviations of the map itself."""
    inside = values[where]
    middle = float(np.median(inside))
    spread = 1.4826 * float(np.median(np.abs(inside - middle)))
    return _largest_above(values, middle + deviations * max(spread, 1e-6), where)


def largest_below(values: FloatArray, *, where: BoolArray, level: float) -> Region:
    """The largest region of a map below a level; its middle is the voxel of the lowest value."""
    return _largest_above(-values, -level, where)


def _largest_above(values: FloatArray, limit: float, where: BoolArray) -> Region:
    labels, count = ndimage.label(where & (values > limit))
    if count == 0:
        return Region(0, np.zeros(3, dtype=np.int64), limit)
    sizes = np.bincount(labels.ravel())[1:]
    largest = labels == 1 + int(sizes.argmax())
    peak = np.unravel_index(int(np.where(largest, values, -np.inf).argmax()), values.shape)
    return Region(int(sizes.max()), np.array(peak, dtype=np.int64), limit)


def intensity_change(
    before: FloatArray, after: FloatArray, *, where: BoolArray, spacing: float
) -> FloatArray:
    """Change of intensity in robust standard deviations of the pair's own changes, signed.

    The values of `before` are first brought to the distribution of `after` (quantiles in `where`).
    A change is then divided by sqrt(sigma(I)^2 + (0.5 mm |grad I|)^2): sigma is that of voxels of
    like intensity, as in lesion tools that learn from normal tissue, and the second term forgives
    half a millimetre of misalignment. 0 outside of `where`.
    """
    levels = np.linspace(0, 1, KNOTS)
    knots, wanted = (np.quantile(image[where], levels) for image in (before, after))
    matched = np.asarray(np.interp(before, knots, wanted), dtype=np.float64)
    change = after - matched
    sigma = _sigma_by_intensity(matched, change, where)
    slope = ndimage.gaussian_gradient_magnitude(after, 1.0) / spacing
    z = change / np.sqrt(sigma**2 + (FORGIVEN * slope) ** 2)
    return np.asarray(np.where(where, z, 0.0), dtype=np.float32)


def _sigma_by_intensity(
    values: NDArray[np.float64], change: NDArray[np.float64], where: BoolArray
) -> NDArray[np.float64]:
    edges = np.quantile(values[where], np.linspace(0, 1, BINS + 1)[1:-1])
    of = np.digitize(values, edges)
    sigmas = np.full(BINS, 1e-3)
    for number in range(BINS):
        same = change[where & (of == number)]
        if same.size:
            middle = np.median(same)
            sigmas[number] = max(1.4826 * float(np.median(np.abs(same - middle))), 1e-3)
    return np.asarray(sigmas[of], dtype=np.float64)
