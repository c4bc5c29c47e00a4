"""One combined map: a weighted sum of the check's own map, Grad-CAM and SHAP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    Map = NDArray[Any]
    Mask = NDArray[np.bool_]

METHODS = ("map", "grad-cam", "shap")
NORMAL_PERCENTILE = 99.9
STEPS = 10
LIMITS_TRIED = 256
SAMPLE = 200_000
"""Voxels that are enough to place the limits that are tried."""
TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Weights:
    """a1 map + a2 Grad-CAM + a3 |SHAP|, which outlines where it reaches `voxel_limit`.

    `mean_iou` is that of the faults by which the weights were chosen.
    """

    a1: float
    a2: float
    a3: float
    voxel_limit: float
    mean_iou: float = 0.0

    def to_json(self) -> dict[str, float]:
        """The weights as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, float]) -> Weights:
        """The weights that `to_json` wrote."""
        return cls(**plain)


def clean_percentile(clean: Sequence[Map], bodies: Sequence[Mask] | None = None) -> float:
    """The 99.9th percentile of |values| over maps of clean scans, inside the bodies if given.

    Raises:
        ValueError: the maps are all zero, so that there is nothing to measure by.
    """
    inside = (
        clean if bodies is None else [one[body] for one, body in zip(clean, bodies, strict=True)]
    )
    values = np.concatenate([np.abs(one).ravel() for one in inside])
    unit = float(np.percentile(values, NORMAL_PERCENTILE))
    if not unit > 0:
        raise ValueError("the maps of clean scans are zero, so they give no unit")
    return unit


def combine(maps: Mapping[str, Map], weights: Weights) -> NDArray[np.float32]:
    """The combined map in units of its voxel limit; `maps` by METHODS, each in its own unit.

    A method whose weight is 0 may be missing.
    """
    parts = zip(METHODS, (weights.a1, weights.a2, weights.a3), strict=True)
    total = sum(weight * np.abs(maps[name]) for name, weight in parts if weight)
    return np.asarray(total / weights.voxel_limit, dtype=np.float32)


def choose_weights(maps: Mapping[str, Sequence[Map]], truths: Sequence[Mask]) -> Weights:
    """The weights, and one limit for all, with the best mean IoU over validation faults.

    `maps` by METHODS, a map a fault, each in its own unit; a method that is missing gets no
    weight. Every mixture in steps of 0.1 is tried with 256 limits; of equals the larger a1 wins,
    then the larger a2.

    Raises:
        ValueError: there is no fault, or all maps are zero.
    """
    if not truths:
        raise ValueError("weights cannot be chosen without a validation fault")
    best = Weights(1.0, 0.0, 0.0, 0.0, -1.0)
    for mixture in _simplex():
        shares = dict(zip(METHODS, mixture, strict=True))
        if any(share for name, share in shares.items() if name not in maps):
            continue
        present = [(shares[name], maps[name]) for name in METHODS if name in maps]
        sums = [
            _weighted_sum([(share, each[n]) for share, each in present]) for n in range(len(truths))
        ]
        limits = _limits(sums)
        found = np.mean(
            [_ious(one, truth, limits) for one, truth in zip(sums, truths, strict=True)], 0
        )
        if limits.size and found.max() > best.mean_iou + TIE:
            at = int(found.argmax())
            best = Weights(*mixture, float(limits[at]), float(found[at]))
    if best.mean_iou < 0:
        raise ValueError("weights cannot be chosen: all maps of the validation faults are zero")
    return best


def _weighted_sum(parts: Sequence[tuple[float, Map]]) -> Map:
    return np.asarray(sum(share * np.abs(values) for share, values in parts))


def _simplex() -> Iterator[tuple[float, float, float]]:
    """a1, a2, a3 >= 0 with the sum 1 in tenths, the largest a1 first."""
    for a1 in range(STEPS, -1, -1):
        for a2 in range(STEPS - a1, -1, -1):
            yield a1 / STEPS, a2 / STEPS, (STEPS - a1 - a2) / STEPS


def _limits(sums: Sequence[Map]) -> NDArray[np.float64]:
    """Limits worth trying, rising: upper quantiles of what is above 0, denser near the top."""
    stride = max(1, sum(one.size for one in sums) // SAMPLE)
    values = np.concatenate([one.ravel()[::stride] for one in sums] + [_maxima(sums)])
    shares = 1 - np.geomspace(1.0, 1e-5, LIMITS_TRIED)
    above = values[values > 0]
    return np.unique(np.quantile(above, shares)) if above.size else np.empty(0)


def _maxima(sums: Sequence[Map]) -> NDArray[np.float64]:
    return np.array([one.max() for one in sums])


def _ious(values: Map, truth: Mask, limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The IoU of `values >= limit` with the truth at each of the rising limits."""
    reached = np.searchsorted(limits, values.ravel(), side="right")
    inside = _at_least(reached[truth.ravel()], limits.size)
    outlined = _at_least(reached, limits.size)
    union = outlined + np.count_nonzero(truth) - inside
    return np.asarray(inside / np.maximum(union, 1))


def _at_least(reached: NDArray[np.intp], limits: int) -> NDArray[np.intp]:
    """How many voxels reach each limit, by how many limits each voxel reaches."""
    counts = np.bincount(reached, minlength=limits + 1)
    return np.asarray(counts[::-1].cumsum()[::-1][1:])
