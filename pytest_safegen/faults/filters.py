"""Lost or exaggerated detail: blur, sharpening, coarse voxels and coarse steps of intensity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from pytest_safegen.faults.axes import any_axis, slice_axis
from pytest_safegen.faults.fields import along, resample_lines, sign
from pytest_safegen.faults.model import Canvas, Family, FloatArray
from pytest_safegen.faults.planting import global_family, local_family
from pytest_safegen.faults.regions import Patch

TRUNCATE = 3.0  # standard deviations, where Gaussians are cut off


def blur_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """Smoothing by a Gaussian of up to 2.2 voxels."""
    return _gaussian(patch.voxels, 0.4 + 1.8 * strength)


def median_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """Up to 4 medians over 3 x 3 x 3 voxels: texture goes, edges stay."""
    smoothed = patch.voxels
    for _ in range(int(np.ceil(4 * strength))):
        smoothed = ndimage.median_filter(smoothed, size=3, mode="nearest")
    return smoothed


def smear_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Smoothing by a Gaussian of up to 4 voxels along one axis."""
    axis = any_axis(patch.voxels.shape, random)
    sigma = 0.6 + 3.4 * strength
    return np.asarray(
        ndimage.gaussian_filter1d(patch.voxels, sigma, axis, mode="nearest", truncate=TRUNCATE)
    )


def sharp_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """Fine detail, up to four times as strong."""
    return _sharpened(patch.voxels, 3 * strength)


def thick_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Bright structures grow, or shrink, by up to 2 voxels."""
    grow = ndimage.grey_dilation if sign(random) > 0 else ndimage.grey_erosion
    once = grow(patch.voxels, size=3, mode="nearest")
    grown = once if strength < 0.5 else grow(once, size=3, mode="nearest")
    return np.asarray(patch.voxels + np.float32(strength) * (grown - patch.voxels))


def pixelated_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Blocks of 2 to 6 voxels."""
    size = 1 + int(np.ceil(5 * strength))
    return block_mean(patch.voxels, [size] * 3, phase=int(random.integers(size)))


def posterized_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """Intensities in steps of up to 40 % of the contrast."""
    return _steps(patch.voxels, patch.canvas, strength)


def blur(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """The whole scan smoothed by a Gaussian of up to 1.5 voxels."""
    return _gaussian(canvas.voxels, 0.3 + 1.2 * strength)


def thick_slices(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Slices of up to 6 voxels, each the mean of the slices it replaces."""
    axis, size = slice_axis(canvas, random), 1 + int(np.ceil(5 * strength))
    sizes = [size if own == axis else 1 for own in range(3)]
    return block_mean(canvas.voxels, sizes, phase=int(random.integers(size)))


def sharpened(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """Fine detail of the whole scan, up to three times as strong."""
    return _sharpened(canvas.voxels, 2 * strength)


def coarse(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """The scan resampled to a grid up to 3 times as coarse, and back."""
    factor = 1 + 2 * strength
    voxels = _gaussian(canvas.voxels, 0.35 * float(np.sqrt(factor**2 - 1)))
    for axis, length in enumerate(canvas.shape):
        few = max(int(np.ceil(length / factor)), 1)
        voxels = _resized(_resized(voxels, few, axis), length, axis)
    return voxels


def posterized(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """Intensities in steps of up to 30 % of the contrast."""
    return _steps(canvas.voxels, canvas, 0.7 * strength)


def block_mean(voxels: FloatArray, sizes: Sequence[int], *, phase: int) -> FloatArray:
    """Each voxel becomes the mean of its block; blocks begin `phase` voxels before the first."""
    for axis, (size, length) in enumerate(zip(sizes, voxels.shape, strict=True)):
        if size > 1:
            starts = np.unique(np.maximum(np.arange(-(phase % size), length, size), 0))
            counts = np.diff(np.append(starts, length))
            sums = np.add.reduceat(voxels, starts, axis=axis)
            means = sums / along(counts.astype(np.float32), axis)
            voxels = np.repeat(means, counts, axis=axis)
    return voxels


def _gaussian(voxels: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(ndimage.gaussian_filter(voxels, sigma, mode="nearest", truncate=TRUNCATE))


def _sharpened(voxels: FloatArray, amount: float) -> FloatArray:
    return voxels + np.float32(amount) * (voxels - _gaussian(voxels, 1.0))


def _steps(voxels: FloatArray, canvas: Canvas, strength: float) -> FloatArray:
    """Rounded to steps of 5 % to 40 % of the contrast."""
    step, low = np.float32((0.05 + 0.35 * strength) * canvas.contrast), np.float32(canvas.floor)
    return np.asarray(low + step * np.round((voxels - low) / step), dtype=np.float32)


def _resized(voxels: FloatArray, count: int, axis: int) -> FloatArray:
    """The volume with another number of voxels along an axis, over the same extent."""
    places = (np.arange(count) + 0.5) * voxels.shape[axis] / count - 0.5
    return resample_lines(voxels, along(places, axis), axis=axis)


FAMILIES: tuple[Family, ...] = (
    local_family("blur-patch", "blur", "a blurred patch", blur_patch),
    local_family("median-patch", "blur", "a patch whose texture was smoothed away", median_patch),
    local_family("smear-patch", "blur", "a patch that is smeared along one axis", smear_patch),
    local_family("sharp-patch", "sharpen", "a patch that is too sharp", sharp_patch),
    local_family(
        "thick-patch", "structure", "a patch whose structures are too thick or thin", thick_patch
    ),
    local_family("pixelated-patch", "resolution", "a patch of coarse blocks", pixelated_patch),
    local_family("posterized-patch", "resolution", "a patch of few grey levels", posterized_patch),
    global_family("blur", "blur", "a blurred scan", blur),
    global_family("thick-slices", "blur", "a scan of thick slices", thick_slices),
    global_family("sharpened", "sharpen", "a scan that is too sharp", sharpened),
    global_family("coarse", "resolution", "a scan of low resolution", coarse),
    global_family("posterized", "resolution", "a scan of few grey levels", posterized),
)
