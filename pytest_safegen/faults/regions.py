"""Where a local fault lies: a random region of a canvas, with a hard or a soft edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.faults.fields import rotation
from pytest_safegen.faults.model import BoolArray, Canvas, FloatArray
from pytest_safegen.faults.shapes import SHAPES, Matrix

Box = tuple[slice, slice, slice]

SMALLEST, LARGEST = 4.0, 30.0  # mm, radius of a region
SHARE_OF_VOLUME = 0.35  # of the shortest axis, the largest radius
MIN_VOXELS_ACROSS = 2.2  # as a radius: a smaller region holds no 30 voxels
MARGIN = 4  # voxels of surroundings in a region's box, for filters
SOFTEST_EDGE = 3.0  # voxels


@dataclass(frozen=True, slots=True)
class Region:
    """A box of voxels around a shape.

    `weight` float32 (i, j, k) of the box, 1 inside, 0 outside, between in a soft edge; `gauge`
    the same size, below 1 inside, 1 on the surface; `centre` (3,) voxel of the box, may lie
    between voxels; `radius` in mm.
    """

    box: Box
    weight: FloatArray
    gauge: FloatArray
    centre: NDArray[np.float64]
    radius: float

    @property
    def inside(self) -> BoolArray:
        """The voxels of the box that belong to the region."""
        return np.asarray(self.weight > 0.5)


@dataclass(frozen=True, slots=True)
class Patch:
    """A region of a canvas, as the effect of a local fault gets it."""

    canvas: Canvas
    region: Region

    @property
    def voxels(self) -> FloatArray:
        """The canvas in the region's box; a view, not to be written to."""
        return self.canvas.voxels[self.region.box]

    @property
    def above(self) -> FloatArray:
        """How far the voxels are above the background."""
        return np.asarray(self.voxels - np.float32(self.canvas.floor))

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Voxel size in mm, (3,)."""
        return np.array(self.canvas.spacing)

    @property
    def offset(self) -> tuple[int, int, int]:
        """The voxel of the canvas where the box begins."""
        i, j, k = (int(side.start) for side in self.region.box)
        return i, j, k


def random_region(
    canvas: Canvas, random: np.random.Generator, *, factor: float = 1.0, edge: float | None = None
) -> Region:
    """A region of any shape about a voxel of the body; its radius is log-uniform.

    `factor` makes regions larger or smaller; `edge` in voxels (default: 0 to 3 at random).
    """
    spacing = np.array(canvas.spacing)
    radius = factor * _radius(canvas, random)
    shape = SHAPES[int(random.integers(len(SHAPES)))]
    half_axes = radius * _anisotropy(random)
    turn = rotation(random) if random.uniform() < 0.7 else np.eye(3)
    softness = random.uniform(0, SOFTEST_EDGE)
    centre = random_voxel(canvas, random)
    extent = shape.reach * np.sqrt((turn**2) @ half_axes**2)
    box = box_around(canvas, centre, extent)
    axes = mm_from(canvas, box, centre)
    to_unit: Matrix = turn.T / half_axes[:, None]
    gauge = shape.gauge(axes, to_unit, random)
    width = max(softness if edge is None else edge, 1e-3) * float(np.mean(spacing))
    weight = np.clip(np.float32(0.5) + (1 - gauge) * np.float32(radius / width), 0, 1)
    inner = centre - np.array([side.start for side in box])
    return Region(box, np.asarray(weight, np.float32), gauge, inner, radius)


def random_voxel(canvas: Canvas, random: np.random.Generator) -> NDArray[np.float64]:
    """A voxel (3,) of the body, or of the whole grid where there is no body."""
    inside = np.flatnonzero(canvas.body)
    size = inside.size or canvas.voxels.size
    chosen = int(random.integers(size))
    index = np.unravel_index(int(inside[chosen]) if inside.size else chosen, canvas.shape)
    return np.array(index, dtype=np.float64)


def box_around(canvas: Canvas, centre: NDArray[np.float64], extent: NDArray[np.float64]) -> Box:
    """The voxels within some mm (3,) of a voxel, with a margin, as far as the volume goes."""
    reach = np.ceil(extent / np.array(canvas.spacing)) + MARGIN
    low = np.maximum(np.floor(centre - reach), 0).astype(int)
    high = np.minimum(np.ceil(centre + reach) + 1, canvas.shape).astype(int)
    i, j, k = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return i, j, k


def mm_from(
    canvas: Canvas, box: Box, centre: NDArray[np.float64]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Distances along i, j and k of a box's voxels from a voxel, in mm, as open axes."""
    steps = [
        (np.arange(side.start, side.stop) - middle) * step
        for side, middle, step in zip(box, centre, canvas.spacing, strict=True)
    ]
    i, j, k = np.ix_(*(values.astype(np.float32) for values in steps))
    return i, j, k


def _radius(canvas: Canvas, random: np.random.Generator) -> float:
    sides = [n * step for n, step in zip(canvas.shape, canvas.spacing, strict=True) if n > 1]
    voxel = float(np.prod(canvas.spacing)) ** (1 / 3)
    largest = min(LARGEST, SHARE_OF_VOLUME * min(sides, default=SMALLEST))
    largest = max(largest, MIN_VOXELS_ACROSS * voxel)
    smallest = min(max(SMALLEST, MIN_VOXELS_ACROSS * voxel), largest)
    return float(np.exp(random.uniform(np.log(smallest), np.log(largest))))


def _anisotropy(random: np.random.Generator) -> NDArray[np.float64]:
    """Three factors of product 1, mostly between 2/3 and 3/2."""
    logs = np.clip(random.normal(0, 0.3, 3), -0.6, 0.6)
    return np.asarray(np.exp(logs - logs.mean()))
