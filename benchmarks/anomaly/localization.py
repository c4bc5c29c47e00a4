"""How well a map shows where a fault is, in numbers that can be kept when the map is dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_safegen import Prepared, Scan
from pytest_safegen.prepare.resample import to_prepared_grid
from safegen_detectors.explain.metrics import average_precision, dice, iou, pointing_hit

Mask = NDArray[np.bool_]
Vector = NDArray[np.float64]

LIMITS = np.geomspace(0.01, 100, 81)  # of a map whose own limit is 1


@dataclass(frozen=True, slots=True)
class Localization:
    """Average precision, overlap at the map's own limit, pointing game.

    `at_limits` (81,) is the overlap at each of LIMITS, to choose the best in hindsight; `volume`
    of the fault in ml.
    """

    precision: float
    iou: float
    dice: float
    pointed: bool
    at_limits: Vector
    volume: float


def truth_on(mask: Mask, own: Prepared, scan: Scan) -> Mask | None:
    """A mask of the scan's grid on its prepared grid; None if it is too small for a voxel."""
    share = to_prepared_grid(mask.astype(np.float32), own, scan)
    truth = share >= 0.5
    if not truth.any():
        truth = share > 0
    return truth if truth.any() else None


def localization_of(
    values: NDArray[np.float32], truth: Mask, judged: Mask, *, spacing: float
) -> Localization:
    """A map (i, j, k) against the truth, over the voxels that are judged and those at fault.

    `spacing` in mm.
    """
    counted = judged | truth
    found, wanted = values[counted], truth[counted]
    return Localization(
        average_precision(found, wanted),
        iou(found, wanted),
        dice(found, wanted),
        pointing_hit(found, wanted),
        overlap_at_limits(found, wanted),
        float(truth.sum()) * spacing**3 / 1000,
    )


def overlap_at_limits(found: NDArray[np.float32], wanted: Mask) -> Vector:
    """Intersection over union of what reaches each of LIMITS and what is wanted, (81,)."""
    reached = np.searchsorted(LIMITS, found, side="right")  # so many limits are reached
    outlined = _at_least(reached)
    hits = _at_least(reached[wanted])
    return np.asarray(hits / np.maximum(outlined + np.count_nonzero(wanted) - hits, 1))


def _at_least(reached: NDArray[np.intp]) -> Vector:
    counts = np.bincount(reached, minlength=LIMITS.size + 1)
    return np.asarray(counts[::-1].cumsum()[::-1][1:], dtype=np.float64)
