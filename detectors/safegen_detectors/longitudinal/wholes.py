"""What a scan is like as a whole: sharpness, noise, intensities, volumes of brain and lung."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.api import HOUNSFIELD_CEILING, HOUNSFIELD_FLOOR, spacing_of
from safegen_detectors.longitudinal import copies, grid, masks
from safegen_detectors.longitudinal.regions import lung_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_safegen.api import BoolArray
    from safegen_detectors.longitudinal.timepoints import Timepoint

FINE, COARSE = (0.5, 1.0), (2.0, 4.0)  # sigmas in voxels between which structure is fine, coarse
DEPTH = 5  # voxels below the surface: blur carries it inwards
LESION_MARGIN = 6.0  # mm
LARGEST_BRAIN = 2200.0  # ml; a body beyond it is a head, whose scalp and neck count
SOFT_TISSUE = (-100.0, 200.0)  # Hounsfield units
LEVELS = np.linspace(0.01, 0.99, 99)
TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Whole:
    """Numbers of one scan; None where they mean nothing for it.

    `sharpness` and `noise` are natural logarithms; `quantiles` (99,) of the tissue's intensities,
    less their median and over their interquartile range; volumes in ml, `brain` with the lesion;
    `soft_tissue` and `lung_tissue` are medians in Hounsfield units.
    """

    sharpness: float | None = None
    noise: float | None = None
    quantiles: NDArray[np.float64] | None = None
    brain: float | None = None
    lung: float | None = None
    soft_tissue: float | None = None
    lung_tissue: float | None = None


def whole_of(point: Timepoint) -> Whole:
    """The numbers that suit the scan: of MR, or of CT."""
    if point.intensity == "ct" and point.crop:  # what a crop shows changes with its place
        return Whole()
    inside = _inside(point)
    if not inside.any():
        return Whole()
    if point.intensity == "ct":
        return _of_ct(point, inside)
    return Whole(
        sharpness=_sharpness(point, inside),
        noise=_noise(point, inside),
        quantiles=_quantiles(point, inside),
        brain=_brain(point),
    )


def _of_ct(point: Timepoint, inside: BoolArray) -> Whole:
    span = HOUNSFIELD_CEILING - HOUNSFIELD_FLOOR
    units = HOUNSFIELD_FLOOR + span * point.prepared.voxels
    soft = units[inside & (units > SOFT_TISSUE[0]) & (units < SOFT_TISSUE[1])]
    lung = lung_of(point)
    return Whole(
        soft_tissue=float(np.median(soft)) if soft.size else None,
        lung=None if lung is None else float(lung.sum()) * grid.voxel_volume(point.prepared.affine),
        lung_tissue=None if lung is None else float(np.median(units[lung])),
    )


def _inside(point: Timepoint) -> BoolArray:
    """The body below its surface and away from the lesion."""
    prepared = point.prepared
    spacing = float(spacing_of(prepared.affine)[0])
    depth = ndimage.distance_transform_edt(np.pad(prepared.body, 1))
    inside = depth[1:-1, 1:-1, 1:-1] > DEPTH
    if prepared.pathology is not None:
        inside &= ~masks.grown(prepared.pathology, millimetres=LESION_MARGIN, spacing=spacing)
    return np.asarray(inside, dtype=bool)


def _sharpness(point: Timepoint, inside: BoolArray) -> float:
    """ln of the spread of fine structure over that of coarse structure.

    Both are differences of Gaussians, so that gain and contrast cancel.
    """
    voxels = point.prepared.voxels
    blurred = [ndimage.gaussian_filter(voxels, sigma) for sigma in (*FINE, *COARSE)]
    fine = float((blurred[0] - blurred[1])[inside].std())
    coarse = float((blurred[2] - blurred[3])[inside].std())
    return math.log(max(fine, TINY) / max(coarse, TINY))


def _noise(point: Timepoint, inside: BoolArray) -> float:
    """ln of the robust spread of the finest structure in flat tissue, over the tissue's level."""
    voxels = point.prepared.voxels
    flat = copies.flat_voxels(voxels, where=inside)
    grain = copies.grain(voxels)[flat]
    spread = 1.4826 * float(np.median(np.abs(grain - np.median(grain))))
    return math.log(max(spread, TINY) / max(float(np.median(voxels[inside])), TINY))


def _quantiles(point: Timepoint, inside: BoolArray) -> NDArray[np.float64]:
    low, middle, high = np.percentile(point.prepared.voxels[inside], (25, 50, 75))
    found = np.quantile(point.prepared.voxels[inside], LEVELS)
    return np.asarray((found - middle) / max(float(high - low), TINY), dtype=np.float64)


def _brain(point: Timepoint) -> float | None:
    """Volume in ml of what may be a brain without its skull, lesion and all; None of the rest."""
    volume = float(point.prepared.body.sum()) * grid.voxel_volume(point.prepared.affine)
    return None if point.crop or volume > LARGEST_BRAIN else volume
