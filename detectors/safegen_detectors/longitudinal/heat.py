"""The picture of a series: where the pair that is least alike differs, or what it repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.api import Heatmap, spacing_of, to_scan_grid
from safegen_detectors.longitudinal import masks
from safegen_detectors.longitudinal.change import intensity_change, smoothed
from safegen_detectors.longitudinal.change_measures import far_zone, region_of
from safegen_detectors.longitudinal.deformation_measures import folding_of, motion_of
from safegen_detectors.longitudinal.fate_measures import fates_between, lesions_of
from safegen_detectors.longitudinal.pair_measures import between, smooth_match
from safegen_detectors.longitudinal.rules import (
    CHANGED_PLACE_LIMIT,
    DEPTH_OUTSIDE_LIMIT,
    EQUAL_SHARE_LIMIT,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_safegen.api import FloatArray
    from safegen_detectors.longitudinal.alignment import Alignment
    from safegen_detectors.longitudinal.timepoints import Timepoint

DEVIATIONS = 3.0
MUCH = 1.5  # times the volume


def change_heatmap(aligned: Alignment) -> Heatmap:
    """Lack of local match outside the lesion, on the later scan's grid; 1.0 is a match of 0.70."""
    lack = np.where(aligned.zone, 1.0 - smooth_match(aligned), 0.0) / (1.0 - CHANGED_PLACE_LIMIT)
    meaning = (
        f"anatomy outside the lesion that changes {between(aligned)}: 1.0 is a local match of "
        f"{CHANGED_PLACE_LIMIT:.2f}"
    )
    return _on_later(aligned, lack.astype(np.float32), meaning, name="local-match")


def region_heatmap(aligned: Alignment) -> Heatmap:
    """Where the structure differs more than elsewhere; 1.0 stands out of the pair's own map."""
    values, region = region_of(aligned, far_zone(aligned))
    meaning = f"structure that changes {between(aligned)} more than elsewhere: 1.0 stands out"
    limit = region.limit if np.isfinite(region.limit) else np.inf  # too little to tell it from
    return _on_later(aligned, values / max(limit, 1e-6), meaning, name="structure-change")


def intensity_heatmap(aligned: Alignment) -> Heatmap:
    """Change of intensity; 1.0 is 3 standard deviations of the pair's own changes."""
    prepared = aligned.later.prepared
    z = intensity_change(
        aligned.moved,
        prepared.voxels,
        where=aligned.zone,
        spacing=float(spacing_of(prepared.affine)[0]),
    )
    values = np.abs(ndimage.gaussian_filter(z, 1.0)) / DEVIATIONS
    meaning = f"change of intensity {between(aligned)}: 1.0 is {DEVIATIONS:g} sd of what changes"
    return _on_later(aligned, values, meaning, name="intensity-change")


def grain_heatmap(aligned: Alignment) -> Heatmap:
    """Correlation of the finest structure in cubes of 16 mm; 1.0 is a correlation of 0.85."""
    fixed, moved = (_fine(image) for image in (aligned.later.prepared.voxels, aligned.moved))
    product, own, other = (
        smoothed(image, where=aligned.zone)
        for image in (fixed * moved, fixed * fixed, moved * moved)
    )
    found = np.where(aligned.zone, product / np.sqrt(np.maximum(own * other, 1e-12)), 0.0)
    meaning = f"grain that repeats {between(aligned)}: 1.0 is a local correlation of 0.85"
    return _on_later(aligned, (np.maximum(found, 0.0) / 0.85), meaning, name="grain")


def deformation_heatmap(aligned: Alignment) -> Heatmap:
    """Where tissue grows or shrinks; 1.0 is by a factor of 1.5 in volume."""
    values = np.abs(motion_of(aligned).growth) / np.log(MUCH)
    values = np.where(aligned.later.prepared.body, values, 0.0)
    meaning = f"tissue stretched or squeezed {between(aligned)}: 1.0 is a factor of {MUCH:g}"
    return _on_later(aligned, values, meaning, name="deformation")


def folding_heatmap(point: Timepoint) -> Heatmap | None:
    """Where the field that comes with a scan folds: 1.0 is tissue squeezed to nothing."""
    values = folding_of(point)
    if values is None:
        return None
    scan = point.scan
    meaning = f"tissue squeezed by the deformation field of {point.name}: 1.0 is folded"
    onto = to_scan_grid(values, point.prepared, scan)
    return Heatmap(onto, scan.affine, meaning, of=scan.ref.target)


def fate_heatmap(aligned: Alignment) -> Heatmap:
    """The lesions by what became of them: 0.5 kept, 1.5 new, 2.5 vanished."""
    prepared = aligned.later.prepared
    earlier, later = lesions_of(aligned)
    fates = fates_between(aligned, earlier, later)
    values = np.zeros(prepared.voxels.shape, dtype=np.float32)
    for number, part in enumerate(later):
        values[_marked(part.points, aligned)] = 1.5 if number in fates.new else 0.5
    for number in fates.vanished:
        values[_marked(earlier[number].points, aligned)] = 2.5
    meaning = f"lesions {between(aligned)}: 0.5 kept, 1.5 new, 2.5 vanished"
    return _on_later(aligned, values, meaning, name="lesion-fates")


def _marked(points: NDArray[np.float64], aligned: Alignment) -> NDArray[np.bool_]:
    prepared = aligned.later.prepared
    return masks.marked(points, affine=prepared.affine, shape=prepared.voxels.shape)


def _fine(image: FloatArray) -> FloatArray:
    fine = image - ndimage.gaussian_filter(image, 1.0)
    return np.asarray(fine, dtype=np.float32)


def _on_later(
    aligned: Alignment, values: NDArray[np.floating], meaning: str, *, name: str
) -> Heatmap:
    scan = aligned.later.scan
    onto = to_scan_grid(values.astype(np.float32), aligned.later.prepared, scan)
    return Heatmap(onto, scan.affine, meaning, of=scan.ref.target, name=name)


def copy_heatmap(aligned: Alignment) -> Heatmap:
    """Local share of repeated values; both scans must lie on one grid."""
    earlier, later = aligned.earlier.scan.voxels, aligned.later.scan.voxels
    equal = (earlier == later) & (later > later.min())
    share = ndimage.uniform_filter(equal.astype(np.float32), 7) / EQUAL_SHARE_LIMIT
    meaning = f"share of voxels repeated {between(aligned)}: 1.0 is {EQUAL_SHARE_LIMIT:.0%}"
    scan = aligned.later.scan
    return Heatmap(share, scan.affine, meaning, of=scan.ref.target)


def outside_heatmap(point: Timepoint, depths: NDArray[np.float64]) -> Heatmap:
    """How far each voxel of the scan's lesion mask leaves where it may be, on the scan's grid."""
    scan = point.scan
    values = np.zeros(scan.voxels.shape, dtype=np.float32)
    values[np.asarray(scan.mask)] = depths / DEPTH_OUTSIDE_LIMIT
    meaning = f"lesion mask outside of where it may be: 1.0 is {DEPTH_OUTSIDE_LIMIT:g} mm"
    return Heatmap(values, scan.affine, meaning, of=scan.ref.target)
