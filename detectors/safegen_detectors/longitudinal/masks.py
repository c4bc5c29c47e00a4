"""Lesion masks as points and volumes: the mathematics behind the mask checks.

Masks are never resampled: their voxels are counted on their own grid and carried to another one
as points, so that a lesion of a few voxels keeps its size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from safegen_detectors.longitudinal.grid import inverse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_safegen.api import Affine, BoolArray


def volume(mask: BoolArray, affine: Affine) -> float:
    """Volume of a mask in ml, on its own grid."""
    return float(mask.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000.0)


def points(mask: BoolArray, affine: Affine) -> NDArray[np.float64]:
    """The middles of a mask's voxels in mm, (n, 3)."""
    return moved(np.argwhere(mask).astype(np.float64), affine)


def moved(coordinates: NDArray[np.float64], mapping: Affine) -> NDArray[np.float64]:
    """Points (n, 3) through a 4x4 map."""
    return np.asarray(coordinates @ mapping[:3, :3].T + mapping[:3, 3], dtype=np.float64)


def marked(places: NDArray[np.float64], *, affine: Affine, shape: Sequence[int]) -> BoolArray:
    """The voxels of a grid that hold a point, bool (i, j, k); points in mm outside it are lost."""
    grid = np.zeros(tuple(shape), dtype=bool)
    index = np.round(moved(places, inverse(affine))).astype(int)
    held = index[((index >= 0) & (index < grid.shape)).all(axis=1)]
    grid[tuple(held.T)] = True
    return grid


def grown(mask: BoolArray, *, millimetres: float, spacing: float) -> BoolArray:
    """Every voxel within some mm of an isotropic mask; nothing where the mask is empty."""
    if not mask.any():
        return mask
    distance = ndimage.distance_transform_edt(~mask, sampling=spacing)
    return np.asarray(distance <= millimetres, dtype=bool)


def filled_by_slice(body: BoolArray) -> BoolArray:
    """A body with the holes of every axial slice (k) filled, so that cut-off lungs belong to it."""
    slices = [ndimage.binary_fill_holes(body[:, :, k]) for k in range(body.shape[2])]
    return np.asarray(np.stack(slices, axis=2), dtype=bool)


def depths_outside(
    places: NDArray[np.float64], *, body: BoolArray, affine: Affine, spacing: float
) -> NDArray[np.float64]:
    """How far in mm each point (n, 3) lies from the body, 0 inside; grid edges go on outwards."""
    distance = ndimage.distance_transform_edt(~body, sampling=spacing)
    index = moved(places, inverse(affine))
    nearest = np.clip(np.round(index), 0, np.array(body.shape) - 1).astype(int)
    beyond = np.linalg.norm(index - np.clip(index, 0, np.array(body.shape) - 1), axis=1) * spacing
    return np.asarray(distance[tuple(nearest.T)] + beyond, dtype=np.float64)
