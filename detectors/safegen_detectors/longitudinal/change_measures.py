"""Measures of what changes in a place, outside the lesion, between two aligned scans."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.api import Measure, spacing_of
from safegen_detectors.longitudinal import grid, masks
from safegen_detectors.longitudinal.alignment import lesion_of
from safegen_detectors.longitudinal.change import (
    Region,
    largest_below,
    smoothed,
    standing_out,
)
from safegen_detectors.longitudinal.pair_measures import between, smooth_match
from safegen_detectors.longitudinal.pathologies import diameter
from safegen_detectors.longitudinal.rules import OTHER_GRID_DEVIATIONS, REGION_DEVIATIONS
from safegen_detectors.longitudinal.wholes import LARGEST_BRAIN
from safegen_detectors.longitudinal.words import place

if TYPE_CHECKING:
    from pytest_safegen.api import BoolArray, FloatArray
    from safegen_detectors.longitudinal.alignment import Alignment

BELOW_SCALP = 20.0  # mm
NEAR_LESION, MOST_NEAR_LESION = 10.0, 25.0  # mm in which tissue may give way to a lesion
FEWEST_VOXELS = 2000
ALIKE = 0.95  # median of the smoothed local match
LEVELS = {"unmatched_region": 0.70, "ill_matched_region": 0.80}


def change_measures(aligned: Alignment) -> list[Measure]:
    """The largest region that stands out of the pair's own map of differences, in ml."""
    where = far_zone(aligned)
    if where.sum() < FEWEST_VOXELS:
        return []
    values, region = region_of(aligned, where)
    voxel = grid.voxel_volume(aligned.later.prepared.affine)
    lesion = lesion_of(aligned.later, onto=aligned.later.prepared)
    at = (aligned.later.prepared.affine @ [*region.middle.astype(float), 1.0])[:3]
    says = (
        f"a region of {region.voxels * voxel:.1f} ml around {place(at.tolist())} changed "
        f"{between(aligned)} although it should not{_away(lesion, region, aligned)}: its structure "
        f"differs by up to {float(values[tuple(region.middle)]):.2f}, {region.limit:.2f} would "
        "stand out"
    )
    name = "changed_region_ct" if aligned.later.intensity == "ct" else "changed_region"
    return [Measure(name, region.voxels * voxel, "ml", says), *_unmatched(aligned, where)]


def _unmatched(aligned: Alignment, where: BoolArray) -> list[Measure]:
    """The largest regions below two levels of the smoothed local match, ml.

    Only of MR pairs of one grid that match well on the whole: where a protocol changed, much tissue
    lies below either level.
    """
    match = smooth_match(aligned)
    alike = float(np.median(match[where])) >= ALIKE
    if not alike or not _same_spacing(aligned) or aligned.later.intensity == "ct":
        return []
    affine = aligned.later.prepared.affine
    voxel = grid.voxel_volume(affine)
    found = []
    for name, level in LEVELS.items():
        region = largest_below(match, where=where, level=level)
        at = (affine @ [*region.middle.astype(float), 1.0])[:3]
        says = (
            f"a region of {region.voxels * voxel:.1f} ml around {place(at.tolist())} matches badly "
            f"{between(aligned)} (local match below {level:.2f}), and all around it matches well"
        )
        found.append(Measure(name, region.voxels * voxel, "ml", says))
    return found


def region_of(aligned: Alignment, where: BoolArray) -> tuple[FloatArray, Region]:
    """The smoothed map of differences, and what stands out of it."""
    values = smoothed(aligned.distance, where=where)
    deviations = REGION_DEVIATIONS if _same_spacing(aligned) else OTHER_GRID_DEVIATIONS
    return values, standing_out(values, where=where, deviations=deviations)


def far_zone(aligned: Alignment) -> BoolArray:
    """The zone without what may give way to the lesion, and without the scalp of a whole head."""
    prepared = aligned.later.prepared
    spacing = float(spacing_of(prepared.affine)[0])
    zone = aligned.zone
    if prepared.body.sum() * spacing**3 / 1000 > LARGEST_BRAIN and not aligned.later.crop:
        depth = ndimage.distance_transform_edt(np.pad(prepared.body, 1), sampling=spacing)
        zone = zone & (depth[1:-1, 1:-1, 1:-1] > BELOW_SCALP)
    lesions = lesion_of(aligned.earlier, onto=prepared, mapping=aligned.mapping)
    lesions = lesions | lesion_of(aligned.later, onto=prepared)
    near = masks.grown(lesions, millimetres=_margin(aligned), spacing=spacing)
    return np.asarray(zone & ~near, dtype=bool)


def _same_spacing(aligned: Alignment) -> bool:
    return grid.same_spacing(aligned.earlier.scan.affine, aligned.later.scan.affine)


def _margin(aligned: Alignment) -> float:
    """Wider where the lesion changes its size, for tissue then gives way."""
    radii = [
        0.0 if scan.mask is None else diameter(masks.volume(scan.mask, scan.affine)) / 2
        for scan in (aligned.earlier.scan, aligned.later.scan)
    ]
    return min(NEAR_LESION + 2 * math.fabs(radii[1] - radii[0]), MOST_NEAR_LESION)


def _away(lesion: BoolArray, region: Region, aligned: Alignment) -> str:
    if not lesion.any():
        return ""
    spacing = float(spacing_of(aligned.later.prepared.affine)[0])
    steps = (np.argwhere(lesion) - region.middle) * spacing
    return f", {float(np.linalg.norm(steps, axis=1).min()):.0f} mm from the lesion"
