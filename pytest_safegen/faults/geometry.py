"""Wrong geometry of the whole scan."""

from __future__ import annotations

import numpy as np

from pytest_safegen.faults.axes import any_axis, centre, extent
from pytest_safegen.faults.fields import along, resample_lines, sign, smooth
from pytest_safegen.faults.model import Canvas, Family, FloatArray, Vector
from pytest_safegen.faults.planting import MR, global_family

MIN_VOXELS = 8  # voxels along an axis whose geometry can be wrong


def scaled(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """The anatomy up to 40 % too long or too short along one axis."""
    axis = any_axis(canvas.shape, random, min_voxels=MIN_VOXELS)
    factor = (1 + 0.4 * strength) ** sign(random)
    middle = centre(canvas, axis)
    places = middle + (np.arange(canvas.shape[axis]) - middle) / factor
    return resample_lines(canvas.voxels, along(places, axis), axis=axis, fill=canvas.floor)


def sheared(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """The anatomy sheared by up to 0.4 mm per mm."""
    axis, across = _two_axes(canvas, random)
    return _displaced(canvas, axis, across, 0.4 * strength * sign(random) * _mm(canvas, across))


def bent(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """The anatomy bent into an arc, by up to 20 % of its length."""
    axis, across = _two_axes(canvas, random)
    first, end = extent(canvas, across)
    length = (end - first) * canvas.spacing[across]
    curve = (2 * _mm(canvas, across) / max(length, 1e-6)) ** 2 - 0.5
    return _displaced(canvas, axis, across, 0.2 * strength * sign(random) * length * curve)


def elastic(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """The anatomy deformed smoothly, by 2 % of the longest side (standard deviation)."""
    longest = max(n * step for n, step in zip(canvas.shape, canvas.spacing, strict=True))
    cells, voxels = random.uniform(3, 6), canvas.voxels
    for axis, length in enumerate(canvas.shape):
        if length >= MIN_VOXELS:
            reach = np.float32(0.02 * strength * longest / canvas.spacing[axis])
            field = reach * smooth(canvas.shape, random, cells=cells)
            places = along(np.arange(length, dtype=np.float32), axis) + field
            voxels = resample_lines(voxels, places, axis=axis, fill=canvas.floor)
    return voxels


def wrapped(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """A field of view up to 35 % shorter than the body, which wraps around to the other side."""
    axis = any_axis(canvas.shape, random, min_voxels=MIN_VOXELS)
    first, end = extent(canvas, axis)
    lost = max(round(0.35 * strength * (end - first)), 1)
    start, period = first + int(random.integers(lost + 1)), end - first - lost
    length = canvas.shape[axis]
    above = np.moveaxis(canvas.voxels - np.float32(canvas.floor), axis, 0)
    found = np.zeros_like(above)
    for voxel in range(length):
        found[start + (voxel - start) % period] += above[voxel]
    return np.moveaxis(found, 0, axis) + np.float32(canvas.floor)


def truncated(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Up to 45 % of the body cut off at one end."""
    axis = any_axis(canvas.shape, random, min_voxels=MIN_VOXELS)
    first, end = extent(canvas, axis)
    lost = max(round(0.45 * strength * (end - first)), 1)
    place = np.arange(canvas.shape[axis])
    cut = place < first + lost if sign(random) > 0 else place >= end - lost
    return np.where(along(cut, axis), np.float32(canvas.floor), canvas.voxels)


def _displaced(canvas: Canvas, axis: int, across: int, shift: Vector) -> FloatArray:
    """Lines along an axis, each shifted by its own number of mm."""
    steps = along(np.arange(canvas.shape[axis], dtype=np.float64), axis)
    places = steps - along(shift / canvas.spacing[axis], across)
    return resample_lines(canvas.voxels, places, axis=axis, fill=canvas.floor)


def _two_axes(canvas: Canvas, random: np.random.Generator) -> tuple[int, int]:
    axis = any_axis(canvas.shape, random, min_voxels=MIN_VOXELS)
    return axis, any_axis(canvas.shape, random, min_voxels=MIN_VOXELS, excluded=axis)


def _mm(canvas: Canvas, axis: int) -> Vector:
    """Distances from the middle of the body along an axis, in mm, (n,)."""
    return np.asarray((np.arange(canvas.shape[axis]) - centre(canvas, axis)) * canvas.spacing[axis])


FAMILIES: tuple[Family, ...] = (
    global_family("wrong-scale", "geometry", "anatomy that is stretched or squeezed", scaled),
    global_family("sheared", "geometry", "sheared anatomy", sheared),
    global_family("bent", "geometry", "bent anatomy", bent),
    global_family("elastic", "geometry", "smoothly deformed anatomy", elastic),
    global_family(
        "wrap-around", "geometry", "a field of view that wraps around", wrapped, modalities=MR
    ),
    global_family("truncated-view", "geometry", "a truncated scan", truncated),
)
