"""Measures of local change between two aligned scans, away from the lesion."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.api import Measure, spacing_of
from safegen_detectors.longitudinal.inputs.geometry import (
    dilate,
    format_point,
    mask_volume,
    same_spacing,
    voxel_volume,
)
from safegen_detectors.longitudinal.inputs.pathologies import sphere_diameter
from safegen_detectors.longitudinal.limits import OTHER_GRID_DEVIATIONS, REGION_DEVIATIONS
from safegen_detectors.longitudinal.maths.similarity import (
    ChangedRegion,
    largest_outlying_region,
    largest_region_below,
    smooth_within,
)
from safegen_detectors.longitudinal.measures.global_features import MAX_BRAIN_VOLUME
from safegen_detectors.longitudinal.registration import lesion_on_grid, pair_name, smoothed_match

if TYPE_CHECKING:
    from pytest_safegen.api import BoolArray, FloatArray
    from safegen_detectors.longitudinal.registration import Alignment

SCALP_DEPTH = 20.0  # mm
LESION_MARGIN, MAX_LESION_MARGIN = 10.0, 25.0  # mm in which tissue may give way to a lesion
MIN_VOXELS = 2000
WELL_MATCHED = 0.95  # median of the smoothed local match
MATCH_LEVELS = (
    ("unmatched_region", 0.70, "does not match"),
    ("poorly_matched_region", 0.80, "matches poorly"),
)
"""The measures of regions below a level of the smoothed local match, and their verbs."""


def change_measures(aligned: Alignment) -> list[Measure]:
    """The largest regions, in ml, that changed or do not match."""
    where = zone_away_from_lesion(aligned)
    if where.sum() < MIN_VOXELS:
        return []
    _, region = find_changed_region(aligned, where)
    voxel = voxel_volume(aligned.later.prepared.affine)
    lesion = lesion_on_grid(aligned.later, onto=aligned.later.prepared)
    ml = region.voxels * voxel
    distance = _distance_to_lesion(lesion, region, aligned)
    message = (
        f"a region of {ml:.1f} ml around {_format_peak(aligned, region)}{distance}, changed "
        f"{pair_name(aligned)} although it should not"
    )
    headline = f"Unexpected change outside the lesion, {ml:.1f} ml"
    name = "changed_region_ct" if aligned.later.intensity == "ct" else "changed_region"
    return [Measure(name, ml, "ml", message, headline), *_unmatched_regions(aligned, where)]


def _format_peak(aligned: Alignment, region: ChangedRegion) -> str:
    """The peak of a region of the prepared grid, in mm of the later scan."""
    peak = aligned.later.prepared.affine @ [*region.peak.astype(float), 1.0]
    return format_point(peak[:3].tolist())


def _unmatched_regions(aligned: Alignment, where: BoolArray) -> list[Measure]:
    """The largest regions below two levels of the smoothed local match, ml.

    Only of MR pairs of one grid that match well on the whole: where a protocol changed, much tissue
    lies below either level.
    """
    match = smoothed_match(aligned)
    well_matched = float(np.median(match[where])) >= WELL_MATCHED
    if not well_matched or not _same_spacing(aligned) or aligned.later.intensity == "ct":
        return []
    voxel = voxel_volume(aligned.later.prepared.affine)
    found = []
    for name, level, verb in MATCH_LEVELS:
        region = largest_region_below(match, where=where, level=level)
        ml = region.voxels * voxel
        message = (
            f"a region of {ml:.1f} ml around {_format_peak(aligned, region)} {verb} "
            f"{pair_name(aligned)}, although everything around it matches well"
        )
        headline = f"Region that {verb} between timepoints, {ml:.1f} ml"
        found.append(Measure(name, ml, "ml", message, headline))
    return found


def find_changed_region(aligned: Alignment, where: BoolArray) -> tuple[FloatArray, ChangedRegion]:
    """The smoothed map of differences, and what stands out of it."""
    values = smooth_within(aligned.distance, where=where)
    deviations = REGION_DEVIATIONS if _same_spacing(aligned) else OTHER_GRID_DEVIATIONS
    return values, largest_outlying_region(values, where=where, deviations=deviations)


def zone_away_from_lesion(aligned: Alignment) -> BoolArray:
    """The zone without what may give way to the lesion, and without the scalp of a whole head."""
    prepared = aligned.later.prepared
    spacing = float(spacing_of(prepared.affine)[0])
    zone = aligned.zone
    if prepared.body.sum() * spacing**3 / 1000 > MAX_BRAIN_VOLUME and not aligned.later.crop:
        depth = ndimage.distance_transform_edt(np.pad(prepared.body, 1), sampling=spacing)
        zone = zone & (depth[1:-1, 1:-1, 1:-1] > SCALP_DEPTH)
    lesions = lesion_on_grid(aligned.earlier, onto=prepared, mapping=aligned.mapping)
    lesions = lesions | lesion_on_grid(aligned.later, onto=prepared)
    near = dilate(lesions, millimetres=_lesion_margin(aligned), spacing=spacing)
    return np.asarray(zone & ~near, dtype=bool)


def _same_spacing(aligned: Alignment) -> bool:
    return same_spacing(aligned.earlier.scan.affine, aligned.later.scan.affine)


def _lesion_margin(aligned: Alignment) -> float:
    """Wider where the lesion changes its size, for tissue then gives way."""
    radii = [
        0.0 if scan.mask is None else sphere_diameter(mask_volume(scan.mask, scan.affine)) / 2
        for scan in (aligned.earlier.scan, aligned.later.scan)
    ]
    return min(LESION_MARGIN + 2 * math.fabs(radii[1] - radii[0]), MAX_LESION_MARGIN)


def _distance_to_lesion(lesion: BoolArray, region: ChangedRegion, aligned: Alignment) -> str:
    if not lesion.any():
        return ""
    spacing = float(spacing_of(aligned.later.prepared.affine)[0])
    steps = (np.argwhere(lesion) - region.peak) * spacing
    return f", {float(np.linalg.norm(steps, axis=1).min()):.0f} mm from the lesion"
