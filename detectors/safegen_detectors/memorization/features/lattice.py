"""The fixed lattice of blocks on the template's grid, and averages over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from safegen_detectors.memorization.features.pattern import Volume

BLOCK = 9  # voxels along a side: 18 mm at 2 mm
REACH = 2  # voxels around its place within which a block is searched for
STRIDE = 5
MOST_BLOCKS = 2500  # beyond that the stride grows, so that a whole chest stays feasible
COVERAGE = 0.6  # share of a block that is body, from which on the block is used


@dataclass(frozen=True, slots=True)
class Lattice:
    """Corners (n, 3) of the blocks, in voxels, `stride` apart.

    With every block there is its mirror image about the lattice's middle, along the axes that
    `lattice_of` was asked for.
    """

    corners: NDArray[np.int64]
    stride: int

    def centres(self) -> NDArray[np.float64]:
        """Middles (n, 3) of the blocks, in voxels."""
        return np.asarray(self.corners + (BLOCK - 1) / 2, dtype=np.float64)

    def cells(self) -> NDArray[np.int64]:
        """Positions (n, 3) of the blocks, counted in strides from 0."""
        return np.asarray((self.corners - self.corners.min(0)) // self.stride)

    def neighbourhood(self, width: int) -> torch.Tensor:
        """Weights (n, n) of the mean over width^3 blocks around each; absent ones count as 0."""
        cells = torch.from_numpy(self.cells())
        distance = (cells[:, None] - cells[None]).abs().amax(2)
        return (distance <= width // 2).float() / width**3

    def covered(self, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which blocks (n,) lie in a body (i, j, k) for the most part."""
        return np.asarray(_body_share(inside)[tuple((self.corners + BLOCK // 2).T)] >= COVERAGE)


def lattice_of(body: NDArray[np.bool_], *, mirrored: Sequence[int]) -> Lattice:
    """Blocks that lie for the most part in a body (i, j, k), symmetric along some axes.

    Along the first axis the lattice's middle is the body's, else that of the grid.
    """
    share = _body_share(body)
    blocks = int(np.count_nonzero(share >= COVERAGE))
    stride = max(STRIDE, int(np.ceil((blocks / MOST_BLOCKS) ** (1 / 3))))
    middles = [(n - 1) / 2 for n in body.shape]
    if body.any():
        middles[0] = float(ndimage.center_of_mass(body)[0])
    lines = [
        _evenly_spaced(n, middle, stride) for n, middle in zip(body.shape, middles, strict=True)
    ]
    sampled = share[np.ix_(*lines)]
    for axis in mirrored:
        sampled = (sampled + np.flip(sampled, axis)) / np.float32(2)
    cells = np.argwhere(sampled >= COVERAGE)
    corners = np.stack([line[cells[:, n]] for n, line in enumerate(lines)], 1) - BLOCK // 2
    return Lattice(corners.astype(np.int64), stride)


def average_over_blocks(
    values: NDArray[np.floating], lattice: Lattice, shape: Sequence[int]
) -> Volume:
    """The mean over the blocks at each voxel (i, j, k), weighted to their middles; 0 outside."""
    kernel = block_weights()
    total, weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for corner, value in zip(lattice.corners, values, strict=True):
        block = tuple(slice(start, start + BLOCK) for start in corner)
        total[block] += np.float32(value) * kernel
        weight[block] += kernel
    return np.asarray(total / np.maximum(weight, np.float32(1e-6)))


def block_weights() -> Volume:
    """Weights over a block (9, 9, 9), 1 in its middle and falling along each axis."""
    steps = np.abs(np.arange(BLOCK) - (BLOCK - 1) / 2)
    edge = 1.0 - steps / (BLOCK / 2 + 0.5)
    return np.asarray(edge[:, None, None] * edge[:, None] * edge, dtype=np.float32)


def _body_share(body: NDArray[np.bool_]) -> Volume:
    return np.asarray(ndimage.uniform_filter(body.astype(np.float32), BLOCK, mode="constant"))


def _evenly_spaced(length: int, middle: float, stride: int) -> NDArray[np.int64]:
    """Middles of blocks along an axis, as many on either side of `middle`."""
    half = BLOCK // 2
    room = min(middle, length - 1 - middle) - half
    if room < 0:
        return np.empty(0, dtype=np.int64)
    steps = int(2 * room // stride)
    first = int(np.ceil(middle - steps * stride / 2 - 0.5))
    return np.asarray(max(first, half) + stride * np.arange(steps + 1))
