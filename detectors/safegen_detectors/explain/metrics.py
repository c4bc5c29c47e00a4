"""How good a map is: does it point at the fault, and does the score follow it?

Maps and truths are (i, j, k); a truth is bool and holds at least one voxel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from safegen_detectors.explain.perturbation import replace_supervoxels, scores, supervoxel_means

if TYPE_CHECKING:
    import torch
    from torch import nn

    from safegen_detectors.explain.perturbation import Labels

    Map = NDArray[Any]
    Mask = NDArray[np.bool_]

STEPS = 32


def pointing_hit(values: Map, truth: Mask) -> bool:
    """True if the highest value lies in the truth; of a plateau every voxel must.

    The pointing game (Zhang et al., IJCV 2018), without a margin.
    """
    return bool(truth[values == values.max()].all())


def iou(values: Map, truth: Mask, *, limit: float = 1.0) -> float:
    """Intersection over union of the truth and what reaches the limit; 1 if both are empty."""
    outlined = values >= limit
    union = np.count_nonzero(outlined | truth)
    return np.count_nonzero(outlined & truth) / union if union else 1.0


def dice(values: Map, truth: Mask, *, limit: float = 1.0) -> float:
    """Twice the intersection over the sum of both sizes; 1 if both are empty."""
    overlap = iou(values, truth, limit=limit)
    return 2 * overlap / (1 + overlap)


def average_precision(values: Map, truth: Mask) -> float:
    """Voxel average precision: the sum of (R_n - R_(n-1)) P_n over all distinct values.

    An uninformative map gets the truth's share of all voxels.

    Raises:
        ValueError: the truth is empty.
    """
    order = np.argsort(-values.ravel(), kind="stable")
    ranked, hits = values.ravel()[order], np.cumsum(truth.ravel()[order])
    if not hits[-1]:
        raise ValueError("average precision needs a fault to find")
    last = np.append(np.flatnonzero(np.diff(ranked)), ranked.size - 1)  # of each distinct value
    recall = np.diff(hits[last] / hits[-1], prepend=0.0)
    return float((recall * hits[last] / (last + 1)).sum())


@dataclass(frozen=True, slots=True)
class Curve:
    """Scores while super-voxels are changed: `shares` of them changed (n,), `scores` (n,)."""

    shares: NDArray[np.float64]
    scores: NDArray[np.float64]

    @property
    def area(self) -> float:
        """The area under the curve by the trapezoidal rule, in units of the score."""
        return float((np.diff(self.shares) * (self.scores[1:] + self.scores[:-1]) / 2).sum())

    @property
    def relative_area(self) -> float:
        """The area where the lower of the curve's ends is 0 and the higher 1.

        Raises:
            ValueError: both ends are the same, so that there was nothing to explain.
        """
        low, high = sorted((self.scores[0], self.scores[-1]))
        if not high > low:
            raise ValueError("the score is the same with and without the super-voxels")
        return float((self.area - low) / (high - low))


def deletion(
    score_of: nn.Module,
    volume: torch.Tensor,
    baseline: torch.Tensor,
    values: Map,
    labels: Labels,
    *,
    steps: int = STEPS,
    batch: int = 4,
) -> Curve:
    """Scores while the baseline replaces the super-voxels, highest mean of the map first.

    The smaller the area, the better the map (Petsiuk et al., BMVC 2018).
    """
    order = np.argsort(-supervoxel_means(values, labels), kind="stable")
    unchanged = [~changed for changed in _cumulative_choices(order, steps)]
    volumes = (replace_supervoxels(volume, baseline, labels, one) for one in unchanged)
    return _curve(scores(score_of, volumes, batch=batch), [1 - one.mean() for one in unchanged])


def insertion(
    score_of: nn.Module,
    volume: torch.Tensor,
    baseline: torch.Tensor,
    values: Map,
    labels: Labels,
    *,
    steps: int = STEPS,
    batch: int = 4,
) -> Curve:
    """Scores while super-voxels come into the baseline, highest mean of the map first.

    The larger the area, the better the map (Petsiuk et al., BMVC 2018).
    """
    order = np.argsort(-supervoxel_means(values, labels), kind="stable")
    unchanged = list(_cumulative_choices(order, steps))
    volumes = (replace_supervoxels(volume, baseline, labels, one) for one in unchanged)
    return _curve(scores(score_of, volumes, batch=batch), [one.mean() for one in unchanged])


def _cumulative_choices(order: NDArray[np.intp], steps: int) -> Iterator[NDArray[np.bool_]]:
    """bool (m,): none, then more and more of the first in order, then all, in `steps` or fewer."""
    for many in np.unique(np.linspace(0, order.size, steps + 1).round().astype(int)):
        chosen = np.zeros(order.size, dtype=np.bool_)
        chosen[order[:many]] = True
        yield chosen


def _curve(found: torch.Tensor, shares: list[Any]) -> Curve:
    return Curve(np.array(shares, dtype=np.float64), found.double().cpu().numpy())
