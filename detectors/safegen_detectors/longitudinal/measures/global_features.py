"""Measures of whole scans: sharpness, noise, tissue contrast, and volumes of brain and lung."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.api import HOUNSFIELD_CEILING, HOUNSFIELD_FLOOR, Measure, spacing_of
from safegen_detectors.longitudinal.inputs.geometry import (
    dilate,
    mask_volume,
    same_spacing,
    voxel_volume,
)
from safegen_detectors.longitudinal.inputs.metadata import is_treated
from safegen_detectors.longitudinal.inputs.pathologies import DAYS_PER_MONTH, DAYS_PER_YEAR
from safegen_detectors.longitudinal.inputs.timepoints import timepoint_pairs
from safegen_detectors.longitudinal.maths.similarity import flat_voxels, second_differences
from safegen_detectors.longitudinal.measures.regions import segment_lung

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_safegen.api import BoolArray
    from safegen_detectors.longitudinal.inputs.timepoints import Timepoint


FINE, COARSE = (0.5, 1.0), (2.0, 4.0)  # sigmas in voxels between which structure is fine, coarse
SURFACE_DEPTH = 5  # voxels below the surface: blur carries it inwards
LESION_MARGIN = 6.0  # mm
MAX_BRAIN_VOLUME = 2200.0  # ml; a body beyond it is a head, whose scalp and neck count
SOFT_TISSUE_RANGE = (-100.0, 200.0)  # Hounsfield units
QUANTILE_LEVELS = np.linspace(0.01, 0.99, 99)
TINY = 1e-9

ALLOWED_CHANGE = 0.02  # share of a brain's volume between any two scans
ALLOWED_CHANGE_PER_YEAR = 0.02  # and on top of it in a year


@dataclass(frozen=True, slots=True)
class GlobalFeatures:
    """Numbers of one scan; None where one has no meaning for it.

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


def extract_global_features(point: Timepoint) -> GlobalFeatures:
    """The features of one scan, those of MR or those of CT."""
    if point.intensity == "ct" and point.crop:  # what a crop shows changes with its place
        return GlobalFeatures()
    inside = _inner_tissue(point)
    if not inside.any():
        return GlobalFeatures()
    if point.intensity == "ct":
        return _ct_features(point, inside)
    return GlobalFeatures(
        sharpness=_sharpness(point, inside),
        noise=_noise(point, inside),
        quantiles=_quantiles(point, inside),
        brain=_brain(point),
    )


def _ct_features(point: Timepoint, inside: BoolArray) -> GlobalFeatures:
    span = HOUNSFIELD_CEILING - HOUNSFIELD_FLOOR
    units = HOUNSFIELD_FLOOR + span * point.prepared.voxels
    soft = units[inside & (units > SOFT_TISSUE_RANGE[0]) & (units < SOFT_TISSUE_RANGE[1])]
    lung = segment_lung(point)
    return GlobalFeatures(
        soft_tissue=float(np.median(soft)) if soft.size else None,
        lung=None if lung is None else float(lung.sum()) * voxel_volume(point.prepared.affine),
        lung_tissue=None if lung is None else float(np.median(units[lung])),
    )


def _inner_tissue(point: Timepoint) -> BoolArray:
    """The body below its surface and away from the lesion."""
    prepared = point.prepared
    spacing = float(spacing_of(prepared.affine)[0])
    depth = ndimage.distance_transform_edt(np.pad(prepared.body, 1))
    inside = depth[1:-1, 1:-1, 1:-1] > SURFACE_DEPTH
    if prepared.pathology is not None:
        inside &= ~dilate(prepared.pathology, millimetres=LESION_MARGIN, spacing=spacing)
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
    flat = flat_voxels(voxels, where=inside)
    grain = second_differences(voxels)[flat]
    spread = 1.4826 * float(np.median(np.abs(grain - np.median(grain))))
    return math.log(max(spread, TINY) / max(float(np.median(voxels[inside])), TINY))


def _quantiles(point: Timepoint, inside: BoolArray) -> NDArray[np.float64]:
    low, middle, high = np.percentile(point.prepared.voxels[inside], (25, 50, 75))
    found = np.quantile(point.prepared.voxels[inside], QUANTILE_LEVELS)
    return np.asarray((found - middle) / max(float(high - low), TINY), dtype=np.float64)


def _brain(point: Timepoint) -> float | None:
    """Volume in ml of what may be a brain without its skull, lesion and all; None of the rest."""
    volume = float(point.prepared.body.sum()) * voxel_volume(point.prepared.affine)
    return None if point.crop or volume > MAX_BRAIN_VOLUME else volume


def global_feature_measures(points: Sequence[Timepoint]) -> list[Measure]:
    """Changes of sharpness, noise, contrast, brain and lung, pair by pair."""
    features = {id(point): extract_global_features(point) for point in points}
    found: list[Measure] = []
    for one, two in timepoint_pairs(points):
        found += feature_changes(one, two, features[id(one)], features[id(two)])
    return found


def feature_changes(
    one: Timepoint, two: Timepoint, first: GlobalFeatures, second: GlobalFeatures
) -> Iterator[Measure]:
    """The changes between two timepoints of what is known of both."""
    same_grid = same_spacing(one.scan.affine, two.scan.affine)
    if first.sharpness is not None and second.sharpness is not None and same_grid:
        yield _sharpness_change(one, two, second.sharpness - first.sharpness)
    if first.noise is not None and second.noise is not None and same_grid:
        yield _noise_change(one, two, second.noise - first.noise)
    if first.quantiles is not None and second.quantiles is not None:
        yield _contrast_change(one, two, first.quantiles, second.quantiles)
    if first.brain is not None and second.brain is not None and same_grid:
        yield from _brain_change(one, two, first.brain, second.brain)
    if first.lung is not None and second.lung is not None:
        yield _lung_change(one, two, second.lung / first.lung)
    if first.soft_tissue is not None and second.soft_tissue is not None:
        yield _density_change(one, two, first.soft_tissue, second.soft_tissue, "soft")
    if first.lung_tissue is not None and second.lung_tissue is not None:
        yield _density_change(one, two, first.lung_tissue, second.lung_tissue, "lung")


def _sharpness_change(one: Timepoint, two: Timepoint, change: float) -> Measure:
    factor = math.exp(abs(change))
    comparative, state = ("less", "blurred") if change < 0 else ("more", "sharpened")
    message = (
        f"{two.name} has {comparative} fine structure than {one.name} by a factor of "
        f"{factor:.1f}, as if it were {state}"
    )
    headline = f"Follow-up looks {state} by a factor of {factor:.1f}"
    return Measure("sharpness_change", abs(change), "", message, headline)


def _noise_change(one: Timepoint, two: Timepoint, change: float) -> Measure:
    factor, comparative = math.exp(abs(change)), "less" if change < 0 else "more"
    message = f"{two.name} has {comparative} noise than {one.name} by a factor of {factor:.1f}"
    headline = f"Follow-up has {comparative} noise by a factor of {factor:.1f}"
    return Measure("noise_change", abs(change), "", message, headline)


def _contrast_change(
    one: Timepoint,
    two: Timepoint,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
) -> Measure:
    """Wasserstein-1 distance of the tissue's intensities, in interquartile ranges."""
    change = float(np.abs(first - second).mean())
    message = (
        f"the contrast of the tissue changes from {one.name} to {two.name}, as between two "
        "protocols"
    )
    headline = "Tissue contrast changed between timepoints"
    return Measure("tissue_contrast_change", change, "", message, headline)


def _brain_change(one: Timepoint, two: Timepoint, first: float, second: float) -> Iterator[Measure]:
    """Change of the volume (ml) of a brain without its skull, in units of 2 % and 2 % a year.

    With the lesion or without it, whichever is less: a lesion displaces tissue, or is in its place.
    None after a treatment, or where one timepoint alone has a mask.
    """
    points = one, two
    lesions = [_lesion_volume(point) for point in points]
    if lesions == [None, None]:
        lesions = [0.0, 0.0]
    treated = any(is_treated(point.ref.labels) for point in points)
    if one.ref.months is None or two.ref.months is None or treated or None in lesions:
        return
    years = abs(two.ref.months - one.ref.months) * DAYS_PER_MONTH / DAYS_PER_YEAR
    brains = zip((first, second), lesions, strict=True)
    tissue = [brain - (lesion or 0.0) for brain, lesion in brains]
    changes = [second / first - 1.0, tissue[1] / max(tissue[0], TINY) - 1.0]
    change = min(changes, key=abs)
    message = (
        f"the brain's volume changes by {change:+.1%} from {one.name} to {two.name} in "
        f"{years:.1f} years; healthy brains lose 0.6% a year, with Alzheimer's disease 1.8%"
    )
    ratio = abs(change) / (ALLOWED_CHANGE + ALLOWED_CHANGE_PER_YEAR * years)
    headline = f"Brain volume changed by {change:+.1%} in {years:.1f} years"
    yield Measure("brain_volume_change", ratio, "", message, headline)


def _lesion_volume(point: Timepoint) -> float | None:
    """The lesion's volume in ml; None without a mask."""
    mask = point.scan.mask
    return None if mask is None else mask_volume(mask, point.scan.affine)


def _lung_change(one: Timepoint, two: Timepoint, ratio: float) -> Measure:
    message = f"the lung's volume changes from {one.name} to {two.name} by a factor of {ratio:.2f}"
    headline = f"Lung volume changed by a factor of {ratio:.2f}"
    return Measure("lung_volume_change", abs(math.log(ratio)), "", message, headline)


def _density_change(
    one: Timepoint, two: Timepoint, first: float, second: float, tissue: str
) -> Measure:
    message = (
        f"the median of {tissue} tissue changes from {first:.0f} HU at {one.name} to "
        f"{second:.0f} HU at {two.name}"
    )
    headline = f"{tissue.capitalize()} tissue changed from {first:.0f} to {second:.0f} HU"
    return Measure(f"{tissue}_tissue_change", abs(second - first), "HU", message, headline)
