"""Slices that are missing, repeated, out of place or of another brightness."""

from __future__ import annotations

from functools import partial

import numpy as np

from pytest_safegen.faults.axes import other_axes, slice_axis
from pytest_safegen.faults.fields import along, resample_lines
from pytest_safegen.faults.model import Canvas, Family, FloatArray, Vector
from pytest_safegen.faults.planting import global_family, local_family
from pytest_safegen.faults.regions import Patch, Region, random_voxel


def missing(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """One to four slices that lose their signal, completely at strength 1."""
    return patch.voxels - np.float32(strength) * patch.above


def repeated(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """Three to seven slices replaced by the first of them."""
    inside = patch.region.weight > 0
    thin = [axis for axis in range(3) if not inside.all(axis=axis).any()]
    axis = thin[0] if thin else 2
    first = int(np.flatnonzero(inside.any(axis=other_axes(axis)))[0])
    again = np.take(patch.voxels, [first], axis=axis)
    return patch.voxels + np.float32(strength) * (again - patch.voxels)


def slab(canvas: Canvas, random: np.random.Generator, *, minimum: int, maximum: int) -> Region:
    """Some whole slices through the body, in the box of the whole volume."""
    axis = slice_axis(canvas, random)
    length = canvas.shape[axis]
    count = min(int(random.integers(minimum, maximum + 1)), length - 1)
    place = random_voxel(canvas, random)
    first = min(int(place[axis]), length - count)
    chosen = (np.arange(length) >= first) & (np.arange(length) < first + count)
    weight = np.broadcast_to(along(chosen.astype(np.float32), axis), canvas.shape)
    i, j, k = (slice(0, n) for n in canvas.shape)
    radius = 0.5 * count * canvas.spacing[axis]
    return Region((i, j, k), weight, 1.5 - weight, place, radius)


def slice_gain(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Slices whose gain differs by up to 25 % (standard deviation)."""
    axis = slice_axis(canvas, random)
    gain = np.clip(random.normal(0, 0.25, canvas.shape[axis]), -0.6, 0.6)
    return _with_gain(canvas, axis, strength * gain)


def interleaved(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Alternating slices up to 25 % brighter and darker."""
    axis = slice_axis(canvas, random)
    gain = np.where(np.arange(canvas.shape[axis]) % 2 == 0, 0.25, -0.25)
    return _with_gain(canvas, axis, strength * gain)


def jittered(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Slices shifted within their plane by up to 2.5 voxels (standard deviation)."""
    axis, voxels = slice_axis(canvas, random), canvas.voxels
    for own in other_axes(axis):
        moved = 2.5 * strength * np.clip(random.normal(size=canvas.shape[axis]), -2, 2)
        if voxels.shape[own] > 1:
            steps = along(np.arange(voxels.shape[own], dtype=np.float64), own)
            voxels = resample_lines(voxels, steps + along(moved, axis), axis=own)
    return voxels


def shuffled(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Up to half of the slices swapped with others, up to 8 slices away."""
    axis = slice_axis(canvas, random)
    length = canvas.shape[axis]
    index = np.arange(length)
    for _ in range(max(round(0.25 * strength * length), 1)):
        first = int(random.integers(length - 1))
        away = int(random.integers(1, 2 + round(7 * strength)))
        second = min(first + away, length - 1)
        index[[first, second]] = index[[second, first]]
    return np.take(canvas.voxels, index, axis=axis)


def _with_gain(canvas: Canvas, axis: int, gain: Vector) -> FloatArray:
    """The scan with each slice a share (n,) brighter."""
    above = canvas.voxels - np.float32(canvas.floor)
    return canvas.voxels + along(gain.astype(np.float32), axis) * above


_few = partial(slab, minimum=1, maximum=4)
_some = partial(slab, minimum=3, maximum=7)

FAMILIES: tuple[Family, ...] = (
    local_family("missing-slices", "slice", "missing slices", missing, region=_few),
    local_family("repeated-slices", "slice", "repeated slices", repeated, region=_some),
    global_family("slice-gain", "slice", "slices of different brightness", slice_gain),
    global_family("interleaved-gain", "slice", "alternating bright and dark slices", interleaved),
    global_family("slice-jitter", "slice", "shifted slices", jittered),
    global_family("shuffled-slices", "slice", "slices in the wrong order", shuffled),
)
