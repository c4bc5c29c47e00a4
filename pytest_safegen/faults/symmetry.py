"""Mirror images of volumes, about the plane that a body is most symmetric to."""

from __future__ import annotations

import numpy as np

from pytest_safegen.faults.axes import centre
from pytest_safegen.faults.fields import along
from pytest_safegen.faults.model import Canvas, FloatArray

_COARSE = 24  # voxels along an axis are enough to see a symmetry


def mirror_axis(canvas: Canvas) -> tuple[int, float]:
    """The axis along which the scan is most like its mirror image, and the plane's place on it.

    The plane lies on a voxel or between two, in the middle of the body.
    """
    found = [
        (_self_correlation(canvas.voxels, axis, about), axis, about)
        for axis in range(3)
        if canvas.shape[axis] > 1
        for about in (round(2 * centre(canvas, axis)) / 2,)
    ]
    if not found:
        raise ValueError("A volume of one voxel has no halves to be mirrored.")
    _, axis, about = max(found)
    return axis, about


def mirrored(voxels: FloatArray, *, axis: int, about: float) -> FloatArray:
    """The mirror image about a plane, in voxels along an axis; at the border the last voxel."""
    length = voxels.shape[axis]
    source = np.clip(round(2 * about) - np.arange(length), 0, length - 1)
    return np.take(voxels, source, axis=axis)


def mirrored_half(canvas: Canvas, *, keep_low: bool) -> FloatArray:
    """The scan with one half replaced by the mirror image of the other."""
    axis, about = mirror_axis(canvas)
    image = mirrored(canvas.voxels, axis=axis, about=about)
    place = np.arange(canvas.shape[axis])
    replaced = place > about if keep_low else place < about
    return np.where(along(replaced, axis), image, canvas.voxels)


def _self_correlation(voxels: FloatArray, axis: int, about: float) -> float:
    """Correlation of a volume with its mirror image, on some of its voxels."""
    others = [1 if own == axis else max(1, n // _COARSE) for own, n in enumerate(voxels.shape)]
    i, j, k = (slice(step // 2, None, step) for step in others)
    few = voxels[i, j, k]
    image = mirrored(few, axis=axis, about=about)
    a, b = few - few.mean(), image - image.mean()
    spread = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / spread if spread > 0 else 0.0
