"""Heatmaps that explain a finding, and the choice of the one that explains a series best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.api import Heatmap, spacing_of, to_scan_grid
from safegen_detectors.longitudinal.inputs.geometry import rasterize_points
from safegen_detectors.longitudinal.limits import (
    CHANGED_REGION_LIMIT,
    DEPTH_OUTSIDE_LIMIT,
    EQUAL_SHARE_LIMIT,
    RULES,
)
from safegen_detectors.longitudinal.maths.similarity import intensity_change, smooth_within
from safegen_detectors.longitudinal.measures.change import (
    find_changed_region,
    zone_away_from_lesion,
)
from safegen_detectors.longitudinal.measures.deformation import estimate_motion, folding_map
from safegen_detectors.longitudinal.measures.lesions import track_aligned_lesions
from safegen_detectors.longitudinal.registration import pair_name, smoothed_match

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_safegen.api import FloatArray, Measure
    from safegen_detectors.longitudinal.inputs.timepoints import Timepoint
    from safegen_detectors.longitudinal.registration import Alignment
    from safegen_detectors.longitudinal.series import PairComparison, SeriesComparison


INTENSITY_DEVIATIONS = 3.0
VOLUME_FACTOR = 1.5  # times the volume

DEFORMATION_MEASURES = ("mass_effect", "uneven_deformation", "tissue_shift")


def series_heatmap(comparisons: Sequence[SeriesComparison]) -> Heatmap | None:
    """Another patient, else a mask outside, else a field that folds, else the worst of a pair.

    None where no pair could be compared.
    """
    pairs = [pair for one in comparisons for pair in one.pairs]
    point, depths = _deepest_mask(comparisons)
    outside = any(_exceeds_depth(measure) for one in comparisons for measure in one.others)
    if not pairs:
        return outside_heatmap(point, depths) if point is not None and outside else None
    least = min(pairs, key=lambda pair: pair.aligned.similarity.local_match)
    if least.aligned.similarity.votes > 1:
        return change_heatmap(least)
    if point is not None and outside:
        return outside_heatmap(point, depths)
    return _worst_folding_heatmap(comparisons) or _worst_pair_heatmap(pairs)


def _exceeds_depth(measure: Measure) -> bool:
    """True for a mask that leaves its region by more than its rule forgives."""
    if not measure.name.endswith("_depth_outside"):
        return False
    return measure.value > (RULES[measure.name].warn_above or 0.0)


def _worst_folding_heatmap(comparisons: Sequence[SeriesComparison]) -> Heatmap | None:
    """The field that folds most; None where none folds more than it may."""
    limit = RULES["field_folds"].fail_above or 0.0
    folded = [
        comparison
        for comparison in comparisons
        if any(one.name == "field_folds" and one.value > limit for one in comparison.others)
    ]
    found = [folding_heatmap(point) for comparison in folded for point in comparison.points]
    maps = [one for one in found if one is not None]
    return max(maps, key=lambda one: float((one.values >= 1).sum()), default=None)


def worst_pair(pairs: Sequence[PairComparison]) -> PairComparison | None:
    """The pair with the largest share of a limit among what pictures can show; None of none."""
    return max(pairs, key=_limit_ratio, default=None)


def _worst_pair_heatmap(pairs: Sequence[PairComparison]) -> Heatmap:
    worst = max(pairs, key=_limit_ratio)
    if worst.value("equal_share") > (RULES["equal_share"].fail_above or 1.0):
        return copy_heatmap(worst)
    if worst.value("grain_correlation") > (RULES["grain_correlation"].warn_above or 1.0):
        return grain_heatmap(worst)
    if worst.value("lesion_moved") > (RULES["lesion_moved"].fail_above or 0.0):
        return tracking_heatmap(worst)
    if any(worst.value(name) > (RULES[name].fail_above or 0.0) for name in DEFORMATION_MEASURES):
        return deformation_heatmap(worst)
    if worst.value("changed_region") > (RULES["changed_region"].warn_above or 0.0):
        return region_heatmap(worst)
    return change_heatmap(worst)


def _limit_ratio(pair: PairComparison) -> float:
    """The largest share of a limit, and the lack of match where nothing is near one."""
    limits = (
        "equal_share",
        "grain_correlation",
        "lesion_moved",
        *DEFORMATION_MEASURES,
        "changed_region",
    )
    shares = [pair.value(name) / (RULES[name].fail_above or 1.0) for name in limits]
    return max(*shares, 1.0 - pair.aligned.similarity.local_match)


def _deepest_mask(
    comparisons: Sequence[SeriesComparison],
) -> tuple[Timepoint | None, NDArray[np.float64]]:
    """The scan whose mask goes farthest outside its region, with the depths of its voxels."""
    masked = [
        (point, depths)
        for comparison in comparisons
        for point, depths in zip(comparison.points, comparison.depths, strict=True)
        if depths is not None
    ]
    return max(masked, key=lambda pair: pair[1].max(), default=(None, np.zeros(1)))


def change_heatmap(pair: PairComparison) -> Heatmap:
    """Where the anatomy outside the lesion does not match; 1.0 is a local match of 0.70."""
    aligned = pair.aligned
    lack = np.where(aligned.zone, 1.0 - smoothed_match(aligned), 0.0) / (1.0 - CHANGED_REGION_LIMIT)
    meaning = (
        f"anatomy outside the lesion that does not match {pair_name(aligned)}: 1.0 is a local "
        f"match of {CHANGED_REGION_LIMIT:.2f}"
    )
    return _on_later_scan(aligned, lack.astype(np.float32), meaning, name="local-match")


def region_heatmap(pair: PairComparison) -> Heatmap:
    """Where structure changes more than elsewhere; 1.0 stands out of the pair's own map."""
    aligned = pair.aligned
    values, region = find_changed_region(aligned, zone_away_from_lesion(aligned))
    meaning = f"structure that changes more than elsewhere {pair_name(aligned)}: 1.0 stands out"
    limit = region.limit if np.isfinite(region.limit) else np.inf  # too little to tell it from
    return _on_later_scan(aligned, values / max(limit, 1e-6), meaning, name="structure-change")


def intensity_heatmap(pair: PairComparison) -> Heatmap:
    """Change of intensity; 1.0 is 3 standard deviations of the pair's own changes."""
    aligned = pair.aligned
    prepared = aligned.later.prepared
    z = intensity_change(
        aligned.moved,
        prepared.voxels,
        where=aligned.zone,
        spacing=float(spacing_of(prepared.affine)[0]),
    )
    values = np.abs(ndimage.gaussian_filter(z, 1.0)) / INTENSITY_DEVIATIONS
    meaning = (
        f"change of intensity {pair_name(aligned)}: 1.0 is "
        f"{INTENSITY_DEVIATIONS:g} sd of all changes"
    )
    return _on_later_scan(aligned, values, meaning, name="intensity-change")


def grain_heatmap(pair: PairComparison) -> Heatmap:
    """Correlation of the finest structure in cubes of 16 mm; 1.0 is a correlation of 0.85."""
    aligned = pair.aligned
    fixed, moved = (
        _fine_structure(image) for image in (aligned.later.prepared.voxels, aligned.moved)
    )
    product, own, other = (
        smooth_within(image, where=aligned.zone)
        for image in (fixed * moved, fixed * fixed, moved * moved)
    )
    found = np.where(aligned.zone, product / np.sqrt(np.maximum(own * other, 1e-12)), 0.0)
    meaning = f"grain that repeats {pair_name(aligned)}: 1.0 is a local correlation of 0.85"
    return _on_later_scan(aligned, (np.maximum(found, 0.0) / 0.85), meaning, name="grain")


def deformation_heatmap(pair: PairComparison) -> Heatmap:
    """Where tissue grows or shrinks; 1.0 is by a factor of 1.5 in volume."""
    aligned = pair.aligned
    motion = pair.motion or estimate_motion(aligned)
    values = np.abs(motion.growth) / np.log(VOLUME_FACTOR)
    values = np.where(aligned.later.prepared.body, values, 0.0)
    meaning = (
        f"tissue stretched or squeezed {pair_name(aligned)}: 1.0 is a factor of {VOLUME_FACTOR:g}"
    )
    return _on_later_scan(aligned, values, meaning, name="deformation")


def folding_heatmap(point: Timepoint) -> Heatmap | None:
    """Where the field that comes with a scan folds: 1.0 is tissue squeezed to nothing."""
    values = folding_map(point)
    if values is None:
        return None
    scan = point.scan
    meaning = f"tissue squeezed by the deformation field of {point.name}: 1.0 is folded"
    onto = to_scan_grid(values, point.prepared, scan)
    return Heatmap(onto, scan.affine, meaning, of=scan.ref.target)


def tracking_heatmap(pair: PairComparison) -> Heatmap:
    """The lesions by what became of them: 0.5 persists, 1.5 new, 2.5 vanished."""
    aligned = pair.aligned
    tracked = track_aligned_lesions(aligned)
    values = np.zeros(aligned.later.prepared.voxels.shape, dtype=np.float32)
    for number, part in enumerate(tracked.later):
        new = number in tracked.matches.new
        values[_lesion_voxels(part.points, aligned)] = 1.5 if new else 0.5
    for number in tracked.matches.vanished:
        values[_lesion_voxels(tracked.earlier[number].points, aligned)] = 2.5
    meaning = f"lesions {pair_name(aligned)}: 0.5 persists, 1.5 new, 2.5 vanished"
    return _on_later_scan(aligned, values, meaning, name="lesion-tracking")


def _lesion_voxels(points: NDArray[np.float64], aligned: Alignment) -> NDArray[np.bool_]:
    prepared = aligned.later.prepared
    return rasterize_points(points, affine=prepared.affine, shape=prepared.voxels.shape)


def _fine_structure(image: FloatArray) -> FloatArray:
    fine = image - ndimage.gaussian_filter(image, 1.0)
    return np.asarray(fine, dtype=np.float32)


def _on_later_scan(
    aligned: Alignment, values: NDArray[np.floating], meaning: str, *, name: str
) -> Heatmap:
    scan = aligned.later.scan
    onto = to_scan_grid(values.astype(np.float32), aligned.later.prepared, scan)
    return Heatmap(onto, scan.affine, meaning, of=scan.ref.target, name=name)


def copy_heatmap(pair: PairComparison) -> Heatmap:
    """Local share of repeated values; both scans must lie on one grid."""
    aligned = pair.aligned
    earlier, later = aligned.earlier.scan.voxels, aligned.later.scan.voxels
    equal = (earlier == later) & (later > later.min())
    share = ndimage.uniform_filter(equal.astype(np.float32), 7) / EQUAL_SHARE_LIMIT
    meaning = f"share of voxels repeated {pair_name(aligned)}: 1.0 is {EQUAL_SHARE_LIMIT:.0%}"
    scan = aligned.later.scan
    return Heatmap(share, scan.affine, meaning, of=scan.ref.target)


def outside_heatmap(point: Timepoint, depths: NDArray[np.float64]) -> Heatmap:
    """How deep each voxel of the lesion mask lies outside its region, on the scan's grid."""
    scan = point.scan
    values = np.zeros(scan.voxels.shape, dtype=np.float32)
    values[np.asarray(scan.mask)] = depths / DEPTH_OUTSIDE_LIMIT
    meaning = f"lesion mask outside its region: 1.0 is {DEPTH_OUTSIDE_LIMIT:g} mm"
    return Heatmap(values, scan.affine, meaning, of=scan.ref.target)


HEATMAPS: Mapping[str, Callable[[PairComparison], Heatmap]] = {
    "local-match": change_heatmap,
    "structure-change": region_heatmap,
    "intensity-change": intensity_heatmap,
    "grain": grain_heatmap,
    "lesion-tracking": tracking_heatmap,
    "deformation": deformation_heatmap,
}
"""The maps that explain a score, by name."""
