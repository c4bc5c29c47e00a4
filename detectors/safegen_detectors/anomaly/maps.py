"""Numbers that sum up a map (i, j, k) within a region."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

TOP = 0.001  # share of the voxels from which the limit of an outline is taken
LEAST_LIMIT = 1e-6


def highest(values: torch.Tensor, region: torch.Tensor, *, share: float) -> float:
    """Mean of the highest share of the voxels in the region (bool), at least one voxel."""
    inside = values[region]
    if inside.numel() == 0:
        return 0.0
    count = max(1, int(share * inside.numel()))
    return float(torch.topk(inside, count).values.mean())


def mean_inside(values: torch.Tensor, region: torch.Tensor) -> float:
    """Mean over the region (bool); 0 where it is empty."""
    inside = values[region]
    return float(inside.mean()) if inside.numel() else 0.0


def top(values: torch.Tensor, region: torch.Tensor) -> float:
    """Mean of the voxels that an outline at the scan's own limit would hold."""
    return highest(values, region, share=TOP)


def limit_of(tops: Sequence[float]) -> float:
    """From where on a map outlines, above zero: the median top of real scans, held out."""
    return max(float(np.median(tops)), LEAST_LIMIT)
