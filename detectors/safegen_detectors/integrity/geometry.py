"""Where voxels lie: numbers from a 4x4 affine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]


def axis_vectors(affine: Affine) -> NDArray[np.float64]:
    """The step in mm of one voxel along i, j and k, as the columns of a 3x3 matrix.

    Numbers that are not finite become 0, so that a broken header has a voxel size of 0.
    """
    return np.nan_to_num(np.asarray(affine, dtype=np.float64)[:3, :3], nan=0, posinf=0, neginf=0)


def voxel_size(affine: Affine) -> NDArray[np.float64]:
    """The voxel size in mm along i, j and k."""
    return np.asarray(np.linalg.norm(axis_vectors(affine), axis=0))


def skew_degrees(affine: Affine) -> float:
    """How far the voxel axes are from right angles: 0 is orthogonal, 90 is two axes in one."""
    size = np.maximum(voxel_size(affine), 1e-9)
    directions = axis_vectors(affine) / size
    cosines = directions.T @ directions
    return float(np.degrees(np.arcsin(np.clip(np.abs(cosines[np.triu_indices(3, 1)]).max(), 0, 1))))


def describe_point(affine: Affine, voxel: NDArray[np.float64]) -> str:
    """A voxel's place in words, in mm: "(10, -4, 32) mm"."""
    x, y, z = np.nan_to_num(np.asarray(affine)[:3, :3] @ voxel + np.asarray(affine)[:3, 3])
    return f"({round(x)}, {round(y)}, {round(z)}) mm"


def centre_of(where: NDArray[np.bool_], affine: Affine) -> str:
    """The place in words of the middle of the voxels that are True."""
    return describe_point(affine, np.argwhere(where).mean(axis=0))
