"""Is a follow-up a copy of the scan before it: the mathematics behind the copy check.

Two real scans of one patient share the anatomy and never the noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_safegen.api import BoolArray, FloatArray

FLAT_SHARE = 0.3
FEWEST_FLAT_VOXELS = 2000


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
    """Pearson's correlation of what is left of both scans without their smooth part, -1..1.

    Only the flattest 30 % of the voxels in `where` count, so that edges do not speak. `sigmas`
    in voxels along i, j, k; 0 along an axis whose slices are too thick to hold noise alone.
    None where too few voxels are left to tell.
    """
    flat = flat_voxels(first, where=where)
    rest = [image - ndimage.gaussian_filter(image, sigmas) for image in (first, second)]
    return _correlation(*rest, where=flat)


def grain_correlation(first: FloatArray, second: FloatArray, *, where: BoolArray) -> float | None:
    """Pearson's correlation of the finest structure that two grids hold, -1..1.

    Second differences along all three axes (Immerkaer 1996, in 3D), in the flattest 30 % of the
    voxels in `where`: there it is noise. None where too few voxels are left to tell.
    """
    flat = flat_voxels(first, where=where)
    return _correlation(grain(first), grain(second), where=flat)


def _correlation(first: FloatArray, second: FloatArray, *, where: BoolArray) -> float | None:
    """Pearson's correlation over `where`; None where there are too few voxels or one value."""
    if where.sum() < FEWEST_FLAT_VOXELS:
        return None
    a, b = (image[where].astype(np.float64) for image in (first, second))
    if a.std() == 0 or b.std() == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def grain(image: FloatArray) -> FloatArray:
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
