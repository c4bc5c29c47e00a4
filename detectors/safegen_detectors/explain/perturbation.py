"""Supervoxels that are replaced as one, and the scores of volumes in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

    Labels = NDArray[np.int32]


@contextmanager
def evaluation_mode(score_of: nn.Module) -> Iterator[None]:
    """The module in evaluation mode, and each part of it as it was afterwards."""
    training = [part for part in score_of.modules() if part.training]
    score_of.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def scores(score_of: nn.Module, volumes: Iterable[torch.Tensor], *, batch: int) -> torch.Tensor:
    """The scores (n,) of volumes (c, i, j, k), which are made and held `batch` at a time."""
    found: list[torch.Tensor] = []
    waiting: list[torch.Tensor] = []
    with evaluation_mode(score_of), torch.no_grad():
        for volume in volumes:
            waiting.append(volume)
            if len(waiting) == batch:
                found.append(score_of(torch.stack(waiting))[:, 0])
                waiting = []
        if waiting:
            found.append(score_of(torch.stack(waiting))[:, 0])
    return torch.cat(found)


def cubic_supervoxels(body: NDArray[np.bool_], *, side: int) -> Labels:
    """A grid of cubes of `side` voxels: int32 (i, j, k), 0 to m - 1, and -1 outside the body.

    A cube is the part of it that is body; numbers follow the grid, first axis slowest.
    """
    i, j, k = (np.arange(length) // side for length in body.shape)
    counts = [int(axis[-1]) + 1 for axis in (i, j, k)]
    cell = (i[:, None, None] * counts[1] + j[None, :, None]) * counts[2] + k[None, None, :]
    labels = np.full(body.shape, -1, dtype=np.int32)
    labels[body] = np.unique(cell[body], return_inverse=True)[1]
    return labels


def supervoxel_count(labels: Labels) -> int:
    """How many super-voxels there are."""
    return int(labels.max(initial=-1)) + 1


def supervoxel_centres(labels: Labels) -> NDArray[np.float64]:
    """The mean voxel index of each super-voxel: (m, 3)."""
    inside = np.nonzero(labels >= 0)
    owner = labels[inside]
    sizes = np.bincount(owner)
    return np.stack([np.bincount(owner, weights=axis) / sizes for axis in inside], axis=1)


def supervoxel_means(values: NDArray[Any], labels: Labels) -> NDArray[np.float64]:
    """The mean of a map (i, j, k) in each super-voxel: (m,)."""
    inside = labels >= 0
    owner = labels[inside]
    return np.asarray(np.bincount(owner, weights=values[inside]) / np.bincount(owner))


def spread_over_voxels(shares: NDArray[Any], labels: Labels) -> NDArray[np.float32]:
    """What each super-voxel has (m,), divided among its voxels: (i, j, k), with the same sum."""
    inside = labels >= 0
    sizes = np.bincount(labels[inside])
    found = np.zeros(labels.shape, dtype=np.float32)
    found[inside] = (shares / sizes)[labels[inside]]
    return found


def replace_supervoxels(
    volume: torch.Tensor,
    baseline: torch.Tensor,
    labels: Labels,
    unchanged: NDArray[np.bool_],
) -> torch.Tensor:
    """The volume (c, i, j, k) with the baseline in each super-voxel that is not `unchanged` (m,).

    What lies in no super-voxel stays as in the volume.
    """
    shown = np.concatenate([unchanged, [True]])[labels]  # the label -1 takes the last
    return torch.where(torch.from_numpy(shown).to(volume.device), volume, baseline)
