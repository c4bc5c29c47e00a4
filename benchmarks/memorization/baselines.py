"""The methods to beat. Each gives likenesses of volumes with all reference scans.

A score is higher for a copy. All get the same alignment, the same variants of the query and the
same calibration (leave one reference patient out) as the check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dctn

Likeness = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(queries (q, i, j, k), reference (n, i, j, k)) -> likeness (q, n)."""
Rule = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(likeness (q, n), likeness among the reference (n, n)) -> score (q,)."""

NEAR = 50  # neighbours of the calibrated ratio (Carlini et al. 2023)
HASHED, KEPT = 16, 6  # sides of the volume and of the frequencies of the hash
WINDOW = 5


def distance(queries: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Minus the Euclidean distance."""
    return -torch.cdist(queries.flatten(1), reference.flatten(1))


def correlation(queries: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Pearson's correlation over the body."""
    inside = (reference != 0).any(0).flatten()
    one, other = (_standard(part.flatten(1)[:, inside]) for part in (queries, reference))
    return one @ other.T


def structural_similarity(queries: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Mean SSIM (Wang et al. 2004) at half the resolution, with cubes as windows."""
    few = [torch.nn.functional.avg_pool3d(part[:, None], 2) for part in (queries, reference)]
    return torch.stack([_ssim(one[None], few[1]) for one in few[0]])


def perceptual_hash(queries: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Minus the share of differing bits of a 3-D pHash: signs of low cosine frequencies."""
    one, other = _bits(queries), _bits(reference)
    return -(one[:, None] != other[None]).float().mean(2)


def nearest(likeness: torch.Tensor, reference_similarities: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
    """The highest likeness."""
    return likeness.amax(1)


def calibrated_ratio(likeness: torch.Tensor, reference_similarities: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
    """Minus the distance to the nearest over half the mean to the next 50 (Carlini 2023)."""
    near = -likeness.topk(min(NEAR, likeness.shape[1]), dim=1).values
    return -near[:, 0] / (0.5 * near.mean(1))


def nearest_ratio(likeness: torch.Tensor, reference_similarities: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
    """Minus the ratio of the distances to the nearest and the second (NNDR)."""
    two = -likeness.topk(2, dim=1).values
    return -two[:, 0] / two[:, 1].clamp(min=1e-9)


def authenticity(likeness: torch.Tensor, reference_similarities: torch.Tensor) -> torch.Tensor:
    """How much nearer the query is to its nearest than that one to its own nearest (AuthPct)."""
    best = likeness.max(1)
    own = reference_similarities.clone().fill_diagonal_(-torch.inf).amax(1)
    return best.values - own[best.indices]


METHODS: Mapping[str, tuple[Likeness, Rule]] = {
    "L2": (distance, nearest),
    "NCC": (correlation, nearest),
    "SSIM": (structural_similarity, nearest),
    "3-D pHash": (perceptual_hash, nearest),
    "calibrated ratio": (distance, calibrated_ratio),
    "NNDR": (distance, nearest_ratio),
    "AuthPct": (distance, authenticity),
}


def left_out(likeness: torch.Tensor, rule: Rule) -> NDArray[np.float64]:
    """The score of each reference scan among the others (n, n)."""
    values = []
    for n in range(len(likeness)):
        others = torch.arange(len(likeness)) != n
        reference_similarities = likeness[others][:, others]
        values.append(float(rule(likeness[n : n + 1, others], reference_similarities)[0]))
    return np.array(values)


def _standard(rows: torch.Tensor) -> torch.Tensor:
    centred = rows - rows.mean(1, keepdim=True)
    return centred / centred.norm(dim=1, keepdim=True).clamp(min=1e-6)


def _ssim(one: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    mean = torch.nn.AvgPool3d(WINDOW, 1)
    a, b = mean(one), mean(others)
    variances = mean(one * one) - a * a, mean(others * others) - b * b
    together = mean(one * others) - a * b
    first, second = 0.01**2, 0.03**2
    index = (2 * a * b + first) * (2 * together + second)
    index = index / ((a * a + b * b + first) * (sum(variances) + second))
    return index.flatten(1).mean(1)


def _bits(volumes: torch.Tensor) -> torch.Tensor:
    small = torch.nn.functional.interpolate(volumes[:, None], (HASHED,) * 3, mode="trilinear")
    low = dctn(small[:, 0].numpy(), axes=(1, 2, 3))[:, :KEPT, :KEPT, :KEPT].reshape(len(small), -1)
    low = low[:, 1:]
    return torch.from_numpy(low > np.median(low, axis=1, keepdims=True))
