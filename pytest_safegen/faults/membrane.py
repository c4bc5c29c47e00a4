"""Membrane interpolation: a hole filled by what its border pulls it to.

The membrane is the solution of Laplace's equation with the known voxels as boundary values,
approximated from coarse grids to fine ones, with a few Jacobi sweeps on each. Poisson blending is
a foreign patch plus the membrane of the differences along its border (Perez et al. 2003).
"""

from __future__ import annotations

import numpy as np

from pytest_safegen.faults.model import BoolArray, FloatArray

SWEEPS = 6  # on each grid: the coarser ones have done the rest


def membrane(values: FloatArray, known: BoolArray) -> FloatArray:
    """`values` (i, j, k) where `known`, and between them a smooth membrane; float32."""
    if known.all() or not known.any():
        return np.array(values, dtype=np.float32)
    start = _start(values, known)
    unknown = ~known
    for _ in range(SWEEPS):
        start = np.where(unknown, _mean_of_neighbours(start), values)
    return np.asarray(start, dtype=np.float32)


def _start(values: FloatArray, known: BoolArray) -> FloatArray:
    """A first guess of the unknown voxels: the membrane of the next coarser grid, enlarged."""
    if max(values.shape) <= 2:
        return np.where(known, values, values[known].mean(dtype=np.float32))
    weight = _halved(known.astype(np.float32))
    total = _halved(np.where(known, values, np.float32(0)))
    coarse = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    coarse = membrane(coarse, weight > 0)
    return np.where(known, values, _doubled(coarse, values.shape))


def _mean_of_neighbours(values: FloatArray) -> FloatArray:
    """The mean of the six neighbours; the border sees itself."""
    total = np.zeros_like(values)
    for axis in range(3):
        lines, into = np.moveaxis(values, axis, 0), np.moveaxis(total, axis, 0)
        into[1:] += lines[:-1]
        into[:1] += lines[:1]
        into[:-1] += lines[1:]
        into[-1:] += lines[-1:]
    return np.asarray(total / np.float32(6))


def _halved(values: FloatArray) -> FloatArray:
    """Sums over blocks of 2 voxels along each axis; the last block may be smaller."""
    for axis, length in enumerate(values.shape):
        values = np.add.reduceat(values, np.arange(0, length, 2), axis=axis)
    return values


def _doubled(values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Twice as many voxels along each axis, cut to a shape."""
    for axis, length in enumerate(shape):
        values = np.take(values, np.arange(length) // 2, axis=axis)
    return values
