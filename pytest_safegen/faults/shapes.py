"""Shapes of local faults, as gauges: below 1 inside, 1 on the surface, above 1 outside.

A gauge is computed on a box of voxels around a centre. Sizes are in mm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.faults.fields import smooth
from pytest_safegen.faults.model import FloatArray

Matrix = NDArray[np.float64]
Axes = tuple[FloatArray, FloatArray, FloatArray]
Gauge = Callable[[Axes, Matrix, np.random.Generator], FloatArray]


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of shape; `reach` is how far it may stick out of its half-axes, as a factor."""

    gauge: Gauge
    reach: float


def ellipsoid(axes: Axes, to_unit: Matrix, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """A ball of radius 1 in the coordinates of `to_unit`."""
    x, y, z = _unit(axes, to_unit)
    return np.asarray(np.sqrt(x * x + y * y + z * z))


def box(axes: Axes, to_unit: Matrix, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """A cube of side 2 in the coordinates of `to_unit`, shrunk to about the ball's volume."""
    x, y, z = (np.abs(values) for values in _unit(axes, to_unit))
    return np.asarray(np.maximum(np.maximum(x, y), z) / np.float32(0.85))


def superquadric(axes: Axes, to_unit: Matrix, random: np.random.Generator) -> FloatArray:
    """Between a diamond and a cube: |x|^p + |y|^p + |z|^p = 1 with p from 1.2 to 6."""
    power = np.float32(np.exp(random.uniform(np.log(1.2), np.log(6))))
    x, y, z = (np.abs(values) for values in _unit(axes, to_unit))
    return np.asarray((x**power + y**power + z**power) ** (1 / power))


def blob(axes: Axes, to_unit: Matrix, random: np.random.Generator) -> FloatArray:
    """An ellipsoid whose surface smooth noise pushes in and out."""
    gauge = ellipsoid(axes, to_unit, random)
    bumps = smooth(gauge.shape, random, cells=random.uniform(3, 7))
    return np.asarray(gauge + np.float32(0.35) * np.clip(bumps, -1.4, 1.4) * (gauge < 1.6))


SHAPES: tuple[Shape, ...] = (
    Shape(ellipsoid, 1.0),
    Shape(box, 1.5),
    Shape(superquadric, 1.75),
    Shape(blob, 1.5),
)


def _unit(axes: Axes, to_unit: Matrix) -> Axes:
    """Coordinates in mm, as open axes, in the coordinates of the unit shape."""
    matrix = to_unit.astype(np.float32)
    x, y, z = (sum(row[n] * axes[n] for n in range(3)) for row in matrix)
    return np.asarray(x), np.asarray(y), np.asarray(z)
