"""Measures of scans as a whole, from one timepoint to the next: sharpness, brain volume."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.model import Measure
from pytest_safegen.prepare import spacing_of
from safegen_detectors.longitudinal import grid, masks
from safegen_detectors.longitudinal.pathologies import DAYS_A_MONTH, DAYS_A_YEAR
from safegen_detectors.longitudinal.timepoints import pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from safegen_detectors.longitudinal.timepoints import Timepoint

FINE, COARSE = (0.5, 1.0), (2.0, 4.0)  # sigmas in voxels between which structure is fine, coarse
DEPTH = 6.0  # mm below the surface
LARGEST_BRAIN = 2200.0  # ml; a body beyond it is a head, whose scalp and neck count
STEADY, A_YEAR = 0.02, 0.02  # of a brain's volume: between two scans, and per year


def body_measures(points: Sequence[Timepoint]) -> list[Measure]:
    """Changes of sharpness and of brain volume in MR, pair by pair."""
    if points[0].intensity == "ct":
        return []
    sharpness = {id(point): _sharpness(point) for point in points}
    found: list[Measure] = []
    for one, two in pairs(points):
        found += _sharpness_change(one, two, sharpness[id(two)] - sharpness[id(one)])
        found += _brain_change(one, two)
    return found


def _sharpness(point: Timepoint) -> float:
    """ln of the spread of fine structure over that of coarse structure, inside the body.

    Both are differences of Gaussians, so that gain and contrast cancel.
    """
    prepared = point.prepared
    spacing = float(spacing_of(prepared.affine)[0])
    depth = ndimage.distance_transform_edt(np.pad(prepared.body, 1), sampling=spacing)
    inside = depth[1:-1, 1:-1, 1:-1] > DEPTH
    if prepared.pathology is not None:
        inside &= ~masks.grown(prepared.pathology, millimetres=DEPTH, spacing=spacing)
    if not inside.any():
        return math.nan
    blurred = [ndimage.gaussian_filter(prepared.voxels, sigma) for sigma in (*FINE, *COARSE)]
    fine = float((blurred[0] - blurred[1])[inside].std())
    coarse = float((blurred[2] - blurred[3])[inside].std())
    return math.log(max(fine, 1e-9) / max(coarse, 1e-9))


def _sharpness_change(one: Timepoint, two: Timepoint, change: float) -> Iterator[Measure]:
    """None where the voxel size changed, which changes the sharpness too."""
    if grid.spacing_change(one.scan.affine, two.scan.affine) > 0.01 or not math.isfinite(change):
        return
    words = "less" if change < 0 else "more"
    says = (
        f"{two.name} holds {words} fine structure than {one.name} (by a factor of "
        f"{math.exp(abs(change)):.1f}), as if it were {'blurred' if change < 0 else 'sharpened'}"
    )
    yield Measure("sharpness_change", abs(change), "", says)


def _brain_change(one: Timepoint, two: Timepoint) -> Iterator[Measure]:
    """Change of a bare brain's volume, lesions aside, in units of 2 % and 2 % a year."""
    first, second = _brain(one), _brain(two)
    if first is None or second is None or None in (one.ref.months, two.ref.months):
        return
    years = abs((two.ref.months or 0.0) - (one.ref.months or 0.0)) * DAYS_A_MONTH / DAYS_A_YEAR
    change = second / first - 1.0
    says = (
        f"the brain's volume changes by {change:+.1%} from {one.name} to {two.name} in "
        f"{years:.1f} years; healthy brains lose 0.6 % a year, Alzheimer's disease 1.8 %"
    )
    yield Measure("brain_volume_change", abs(change) / (STEADY + A_YEAR * years), "", says)


def _brain(point: Timepoint) -> float | None:
    """Volume in ml of a brain without its skull, less the lesion; None of anything else."""
    prepared = point.prepared
    volume = float(prepared.body.sum() * np.prod(spacing_of(prepared.affine))) / 1000.0
    if point.crop or volume > LARGEST_BRAIN:
        return None
    lesion = 0.0 if point.scan.mask is None else masks.volume(point.scan.mask, point.scan.affine)
    return volume - lesion
