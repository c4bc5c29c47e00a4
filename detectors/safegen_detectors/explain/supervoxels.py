"""Cubes of the body that are explained, put in or taken out as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    Labels = NDArray[np.int32]


def cubes(body: NDArray[np.bool_], *, side: int) -> Labels:
    """A grid of cubes of `side` voxels: int32 (i, j, k), 0 to m - 1, and -1 outside the body.

    A cube is the part of it that is body; numbers follow the grid, first axis slowest.
    """
    i, j, k = (np.arange(length) // side for length in body.shape)
    counts = [int(axis[-1]) + 1 for axis in (i, j, k)]
    cell = (i[:, None, None] * counts[1] + j[None, :, None]) * counts[2] + k[None, None, :]
    labels = np.full(body.shape, -1, dtype=np.int32)
    labels[body] = np.unique(cell[body], return_inverse=True)[1]
    return labels


def count(labels: Labels) -> int:
    """How many super-voxels there are."""
    return int(labels.max(initial=-1)) + 1


def centres(labels: Labels) -> NDArray[np.float64]:
    """The mean voxel index of each super-voxel: (m, 3)."""
    inside = np.nonzero(labels >= 0)
    owner = labels[inside]
    sizes = np.bincount(owner)
    return np.stack([np.bincount(owner, weights=axis) / sizes for axis in inside], axis=1)


def means(values: NDArray[Any], labels: Labels) -> NDArray[np.float64]:
    """The mean of a map (i, j, k) in each super-voxel: (m,)."""
    inside = labels >= 0
    owner = labels[inside]
    return np.asarray(np.bincount(owner, weights=values[inside]) / np.bincount(owner))


def spread(shares: NDArray[Any], labels: Labels) -> NDArray[np.float32]:
    """What each super-voxel has (m,), divided among its voxels: (i, j, k), with the same sum."""
    inside = labels >= 0
    sizes = np.bincount(labels[inside])
    found = np.zeros(labels.shape, dtype=np.float32)
    found[inside] = (shares / sizes)[labels[inside]]
    return found


def mixed(
    volume: torch.Tensor,
    baseline: torch.Tensor,
    labels: Labels,
    kept: NDArray[np.bool_],
) -> torch.Tensor:
    """The volume (c, i, j, k) with the baseline in each super-voxel that is not `kept` (m,).

    What lies in no super-voxel stays as in the volume.
    """
    shown = np.concatenate([kept, [True]])[labels]  # the label -1 takes the last
    return torch.where(torch.from_numpy(shown).to(volume.device), volume, baseline)
