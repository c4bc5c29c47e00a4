"""Measures of scans as a whole, from one timepoint to the next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pytest_safegen.api import Measure
from safegen_detectors.longitudinal import grid, masks
from safegen_detectors.longitudinal.pathologies import DAYS_A_MONTH, DAYS_A_YEAR
from safegen_detectors.longitudinal.timepoints import pairs
from safegen_detectors.longitudinal.volumes import is_treated
from safegen_detectors.longitudinal.wholes import TINY, Whole, whole_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from safegen_detectors.longitudinal.timepoints import Timepoint

STEADY, A_YEAR = 0.02, 0.02  # of a brain's volume: between two scans, and per year


def whole_measures(points: Sequence[Timepoint]) -> list[Measure]:
    """What changes of sharpness, noise, contrast, brain and lung, pair by pair."""
    wholes = {id(point): whole_of(point) for point in points}
    found: list[Measure] = []
    for one, two in pairs(points):
        found += _changes(one, two, wholes[id(one)], wholes[id(two)])
    return found


def _changes(one: Timepoint, two: Timepoint, first: Whole, second: Whole) -> Iterator[Measure]:
    same_grid = grid.same_spacing(one.scan.affine, two.scan.affine)
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
    words = "less" if change < 0 else "more"
    says = (
        f"{two.name} holds {words} fine structure than {one.name} (by a factor of "
        f"{math.exp(abs(change)):.1f}), as if it were {'blurred' if change < 0 else 'sharpened'}"
    )
    return Measure("sharpness_change", abs(change), "", says)


def _noise_change(one: Timepoint, two: Timepoint, change: float) -> Measure:
    words = "less" if change < 0 else "more"
    factor = math.exp(abs(change))
    says = f"{two.name} has {words} noise than {one.name}, by a factor of {factor:.1f}"
    return Measure("noise_change", abs(change), "", says)


def _contrast_change(
    one: Timepoint,
    two: Timepoint,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
) -> Measure:
    """Wasserstein-1 distance of the tissue's intensities, in interquartile ranges."""
    change = float(np.abs(first - second).mean())
    says = (
        f"the contrast of the tissue changes from {one.name} to {two.name} (its intensities by "
        f"{change:.2f} interquartile ranges), as between two protocols"
    )
    return Measure("tissue_contrast_change", change, "", says)


def _brain_change(one: Timepoint, two: Timepoint, first: float, second: float) -> Iterator[Measure]:
    """Change of a bare brain's volume (ml), in units of 2 % and 2 % a year.

    With the lesion or without it, whichever is less: a lesion displaces tissue, or is in its place.
    None after a treatment, or where one timepoint alone has a mask.
    """
    points = one, two
    lesions = [_lesion(point) for point in points]
    if lesions == [None, None]:
        lesions = [0.0, 0.0]
    treated = any(is_treated(point.ref.labels) for point in points)
    if one.ref.months is None or two.ref.months is None or treated or None in lesions:
        return
    years = abs(two.ref.months - one.ref.months) * DAYS_A_MONTH / DAYS_A_YEAR
    bare = [brain - (lesion or 0.0) for brain, lesion in zip((first, second), lesions, strict=True)]
    changes = [second / first - 1.0, bare[1] / max(bare[0], TINY) - 1.0]
    change = min(changes, key=abs)
    says = (
        f"the brain's volume changes by {change:+.1%} from {one.name} to {two.name} in "
        f"{years:.1f} years; healthy brains lose 0.6 % a year, Alzheimer's disease 1.8 %"
    )
    yield Measure("brain_volume_change", abs(change) / (STEADY + A_YEAR * years), "", says)


def _lesion(point: Timepoint) -> float | None:
    """The lesion's volume in ml; None without a mask."""
    mask = point.scan.mask
    return None if mask is None else masks.volume(mask, point.scan.affine)


def _lung_change(one: Timepoint, two: Timepoint, ratio: float) -> Measure:
    says = f"the lung's volume changes from {one.name} to {two.name} by a factor of {ratio:.2f}"
    return Measure("lung_volume_change", abs(math.log(ratio)), "", says)


def _density_change(
    one: Timepoint, two: Timepoint, first: float, second: float, tissue: str
) -> Measure:
    says = (
        f"{tissue} tissue has {first:.0f} HU at {one.name} and {second:.0f} HU at {two.name} "
        "(median)"
    )
    return Measure(f"{tissue}_tissue_change", abs(second - first), "HU", says)
