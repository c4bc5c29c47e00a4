"""What can be wrong with voxel values alone: arrays in, numbers and masks out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

BODY_LEVEL = 0.05
"""Body is what lies above this share of the way from the darkest to the brightest voxels."""

SAMPLE = 2_000_000
"""Percentiles and different values are taken from about this many voxels of a larger scan."""

GOES_ON = 0.02
"""A slice belongs to the body if more than this share of it is body."""


def sample_of(voxels: Floats, limit: int = SAMPLE) -> Floats:
    """Every n-th voxel along each axis, flat and finite, so that few more than `limit` remain."""
    step = max(1, int((voxels.size / limit) ** (1 / 3)))
    sample = voxels[::step, ::step, ::step]
    return sample[np.isfinite(sample)]


def distinct_values(voxels: Floats) -> int:
    """How many different finite values there are."""
    return int(np.unique(sample_of(voxels)).size)


def body_of(voxels: Floats) -> Bools:
    """Where there is something brighter than background; (i, j, k), finite voxels only."""
    sample = sample_of(voxels)
    if sample.size == 0:
        return np.zeros(voxels.shape, dtype=np.bool_)
    low, high = np.percentile(sample, [0.1, 99.9])
    return np.asarray(np.isfinite(voxels) & (voxels > low + BODY_LEVEL * (high - low)))


def clipped(voxels: Floats, body: Bools) -> Bools:
    """The body voxels that have exactly the largest value of the scan."""
    if not body.any():
        return body
    return np.asarray(body & (voxels == voxels[body].max()))


def flat_share(voxels: Floats, body: Bools) -> float:
    """The share of neighbouring body voxels that are exactly equal; near 1 in a label map.

    Voxels at the largest value are left out: they are counted as clipped.
    """
    inside = body & ~clipped(voxels, body)
    pairs = [_equal_pairs(voxels, inside, axis) for axis in range(3)]
    total = sum(count for _, count in pairs)
    return sum(equal for equal, _ in pairs) / total if total else 0.0


def _equal_pairs(voxels: Floats, inside: Bools, axis: int) -> tuple[int, int]:
    before = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
    after = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
    both = inside[before] & inside[after]
    return int((both & (voxels[before] == voxels[after])).sum()), int(both.sum())


def blank_slices(voxels: Floats, body: Bools, axis: int) -> NDArray[np.intp]:
    """Indices of slices across `axis` that hold one value though the body goes on on both sides.

    The body goes on where the nearest slice with content is body in more than `GOES_ON` of it.
    """
    others = tuple(a for a in range(3) if a != axis)
    finite = np.where(np.isfinite(voxels), voxels, np.float32(0))
    blank = finite.max(axis=others) == finite.min(axis=others)
    filled, empty = np.flatnonzero(~blank), np.flatnonzero(blank)
    after = np.searchsorted(filled, empty)
    between = (after > 0) & (after < filled.size)
    empty, after = empty[between], after[between]
    share = body.mean(axis=others)[filled]
    return empty[(share[after - 1] > GOES_ON) & (share[after] > GOES_ON)] if empty.size else empty
