"""Affines and voxel grids, and lesion masks as volumes and points in mm.

Masks are never resampled: their voxels are counted on their own grid and carried to another one
as points, so that a lesion of a few voxels keeps its size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from scipy import ndimage

from pytest_safegen.api import spacing_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_safegen.api import Affine, BoolArray


def inverse(affine: Affine) -> Affine:
    """The inverse map."""
    return np.asarray(np.linalg.inv(affine), dtype=np.float64)


def axis_codes(affine: Affine) -> str:
    """The directions of the axes i, j, k, such as "RAS"."""
    return "".join(str(code) for code in nib.orientations.aff2axcodes(affine))


def spacing_along_ras(affine: Affine) -> NDArray[np.float64]:
    """Voxel size in mm along the axes nearest to right, anterior and superior."""
    axes = nib.orientations.io_orientation(affine)[:, 0].astype(int)
    spacing = np.empty(3)
    spacing[axes] = spacing_of(affine)
    return spacing


def spacing_change(first: Affine, second: Affine) -> float:
    """The largest relative change of voxel size along one anatomical axis, 0 for none."""
    a, b = spacing_along_ras(first), spacing_along_ras(second)
    return float(np.max(np.abs(a - b) / np.minimum(a, b)))


def same_spacing(first: Affine, second: Affine) -> bool:
    """True where the voxel size is the same along each anatomical axis, to 1 %."""
    return spacing_change(first, second) <= 0.01


def voxel_volume(affine: Affine) -> float:
    """The volume of a voxel in ml."""
    return float(np.prod(spacing_of(affine))) / 1000.0


def same_grid(first: Affine, second: Affine) -> bool:
    """True where two affines put each voxel at the same place, to 0.001 mm."""
    return bool(np.allclose(first, second, atol=1e-3))


def mean_size_change(mapping: Affine) -> float:
    """The mean change of lengths by an affine map, |det^(1/3) - 1|; 0 for a rigid one."""
    return float(abs(np.cbrt(np.linalg.det(mapping[:3, :3])) - 1.0))


def format_point(coordinates: Sequence[float]) -> str:
    """A point in mm, RAS+, as messages write it."""
    x, y, z = (round(float(value)) for value in coordinates)
    return f"({x}, {y}, {z}) mm"


def format_spacing(affine: Affine) -> str:
    """The voxel size along right, anterior and superior, as messages write it."""
    return " x ".join(f"{side:.3g}" for side in spacing_along_ras(affine)) + " mm"


def mask_volume(mask: BoolArray, affine: Affine) -> float:
    """Volume of a mask in ml, on its own grid."""
    return float(mask.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000.0)


def mask_points(mask: BoolArray, affine: Affine) -> NDArray[np.float64]:
    """The centres of a mask's voxels in mm, (n, 3)."""
    return transform_points(np.argwhere(mask).astype(np.float64), affine)


def transform_points(coordinates: NDArray[np.float64], mapping: Affine) -> NDArray[np.float64]:
    """Points (n, 3) through a 4x4 map."""
    return np.asarray(coordinates @ mapping[:3, :3].T + mapping[:3, 3], dtype=np.float64)


def rasterize_points(
    points: NDArray[np.float64], *, affine: Affine, shape: Sequence[int]
) -> BoolArray:
    """The voxels of a grid that hold a point, bool (i, j, k); points in mm outside it are lost."""
    grid = np.zeros(tuple(shape), dtype=bool)
    index = np.round(transform_points(points, inverse(affine))).astype(int)
    inside = index[((index >= 0) & (index < grid.shape)).all(axis=1)]
    grid[tuple(inside.T)] = True
    return grid


def dilate(mask: BoolArray, *, millimetres: float, spacing: float) -> BoolArray:
    """Every voxel within some mm of an isotropic mask; nothing where the mask is empty."""
    if not mask.any():
        return mask
    distance = ndimage.distance_transform_edt(~mask, sampling=spacing)
    return np.asarray(distance <= millimetres, dtype=bool)


def fill_slices(body: BoolArray) -> BoolArray:
    """A body with the holes of every axial slice (k) filled, so that cut-off lungs belong to it."""
    slices = [ndimage.binary_fill_holes(body[:, :, k]) for k in range(body.shape[2])]
    return np.asarray(np.stack(slices, axis=2), dtype=bool)


def depth_outside(
    points: NDArray[np.float64], *, body: BoolArray, affine: Affine, spacing: float
) -> NDArray[np.float64]:
    """How far in mm each point (n, 3) lies from the body, 0 inside; grid edges go on outwards."""
    distance = ndimage.distance_transform_edt(~body, sampling=spacing)
    index = transform_points(points, inverse(affine))
    nearest = np.clip(np.round(index), 0, np.array(body.shape) - 1).astype(int)
    beyond = np.linalg.norm(index - np.clip(index, 0, np.array(body.shape) - 1), axis=1) * spacing
    return np.asarray(distance[tuple(nearest.T)] + beyond, dtype=np.float64)
