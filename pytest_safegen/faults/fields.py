"""What faults are made of: random directions, fields and waves, and resampling along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.faults.model import FloatArray

Number = TypeVar("Number", bound=np.generic)


def sign(random: np.random.Generator) -> float:
    """-1 or 1."""
    return float(random.choice((-1.0, 1.0)))


def rotation(random: np.random.Generator) -> NDArray[np.float64]:
    """A random rotation (3, 3), or reflection, from the QR decomposition of a random matrix."""
    orthogonal, upper = np.linalg.qr(random.normal(size=(3, 3)))
    return np.asarray(orthogonal * np.sign(np.diag(upper)))


def normal(shape: Sequence[int], random: np.random.Generator) -> FloatArray:
    """White noise of standard deviation 1, float32."""
    return random.standard_normal(tuple(shape), dtype=np.float32)


def smooth(shape: Sequence[int], random: np.random.Generator, *, cells: float) -> FloatArray:
    """A smooth random field (i, j, k), about -2 to 2, with some bumps along the longest axis.

    Random values on a coarse grid, interpolated by cosines along each axis in turn.
    """
    size = np.maximum(np.ceil(cells * np.array(shape) / max(shape)).astype(int), 1) + 1
    values: FloatArray = normal(size, random)
    for axis, length in enumerate(shape):
        weights = _interpolation(length, int(size[axis]), float(random.uniform()))
        values = np.moveaxis(np.tensordot(weights, values, (1, axis)), 0, axis)
    return np.ascontiguousarray(values * np.float32(1.6))  # about what interpolation takes away


def plane_wave(shape: tuple[int, ...], random: np.random.Generator, *, period: float) -> FloatArray:
    """A cosine (i, j, k) of a period in voxels, in a random direction along the axes there are."""
    direction = rotation(random)[0] * (np.array(shape) > 1)
    wave = 2 * np.pi / period * direction / max(float(np.linalg.norm(direction)), 1e-6)
    phase = np.exp(1j * random.uniform(0, 2 * np.pi))
    steps = [np.exp(1j * w * np.arange(n)) for w, n in zip(wave, shape, strict=True)]
    i, j, k = np.ix_(*(step.astype(np.complex64) for step in steps))
    return np.ascontiguousarray((np.complex64(phase) * i * j * k).real)


def resample_lines(
    voxels: FloatArray, positions: NDArray[np.floating], *, axis: int, fill: float | None = None
) -> FloatArray:
    """`voxels` (i, j, k) read at `positions` along one axis, by cubic (Catmull-Rom) interpolation.

    `positions`, in voxels, broadcast with (i, j, k) but for that axis. Outside lies `fill`,
    or the voxel at the border.
    """
    last = voxels.shape[axis] - 1
    here = np.clip(positions, 0, last)
    first = np.floor(here).astype(np.int64)
    t = (here - first).astype(np.float32)
    weights = (
        0.5 * t * (t * (2 - t) - 1),
        0.5 * (t * t * (3 * t - 5) + 2),
        0.5 * t * (t * (4 - 3 * t) + 1),
        0.5 * t * t * (t - 1),
    )
    others = [1 if own == axis else n for own, n in enumerate(voxels.shape)]
    found = np.zeros(np.broadcast_shapes(others, first.shape), np.float32)
    for step, weight in enumerate(weights):
        index = np.clip(first + step - 1, 0, last)
        found += weight * _picked(voxels, index, axis)
    if fill is not None:
        np.copyto(found, np.float32(fill), where=(positions < -0.5) | (positions > last + 0.5))
    return found


def along(values: NDArray[Number], axis: int) -> NDArray[Number]:
    """A vector (n,) as an array that broadcasts along one axis of (i, j, k)."""
    return values.reshape([-1 if own == axis else 1 for own in range(3)])


def _picked(voxels: FloatArray, index: NDArray[np.int64], axis: int) -> FloatArray:
    """Voxels by their index along an axis; much faster where all lines share their index."""
    if index.size == index.shape[axis]:
        return np.take(voxels, index.ravel(), axis=axis)
    return np.take_along_axis(voxels, index, axis)


def _interpolation(length: int, knots: int, phase: float) -> FloatArray:
    """Weights (length, knots): each row two neighbours, mixed by a raised cosine."""
    where = (np.arange(length) + phase) / length * (knots - 1)
    low = np.minimum(where.astype(int), knots - 2)
    share = 0.5 - 0.5 * np.cos(np.pi * (where - low))
    weights = np.zeros((length, knots), np.float32)
    weights[np.arange(length), low] = 1 - share
    weights[np.arange(length), low + 1] += share
    return weights
