"""The axis of a volume that a fault runs along, and where the body lies on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_safegen.faults.model import Canvas

MIN_SLICES = 8
THICK = 1.3  # times the thinnest voxel, from which on slices are taken to lie across that axis


def any_axis(
    shape: Sequence[int],
    random: np.random.Generator,
    *,
    min_voxels: int = 2,
    excluded: int | None = None,
) -> int:
    """An axis of at least `min_voxels`, other than `excluded`; ValueError if there is none."""
    found = [axis for axis, length in enumerate(shape) if length >= min_voxels and axis != excluded]
    if not found:
        axis = "an axis" if excluded is None else "another axis"
        raise ValueError(
            f"This fault needs {axis} of at least {min_voxels} voxels; "
            f"the volume has {' x '.join(map(str, shape))}."
        )
    return int(random.choice(found))


def slice_axis(canvas: Canvas, random: np.random.Generator) -> int:
    """The axis across the slices: that of the thickest voxels, or any one if they are cubes."""
    axis = any_axis(canvas.shape, random, min_voxels=MIN_SLICES)
    thickest = int(np.argmax(canvas.spacing))
    is_thick = canvas.spacing[thickest] > THICK * min(canvas.spacing)
    return thickest if is_thick and canvas.shape[thickest] >= MIN_SLICES else axis


def other_axes(axis: int) -> tuple[int, int]:
    """The two axes that this one is not."""
    first, second = (own for own in range(3) if own != axis)
    return first, second


def extent(canvas: Canvas, axis: int) -> tuple[int, int]:
    """The first voxel of the body along an axis, and the one after its last."""
    inside = np.flatnonzero(canvas.body.any(axis=other_axes(axis)))
    return (int(inside[0]), int(inside[-1]) + 1) if inside.size else (0, canvas.shape[axis])


def centre(canvas: Canvas, axis: int) -> float:
    """The middle of the body along an axis, in voxels."""
    first, end = extent(canvas, axis)
    return (first + end - 1) / 2
