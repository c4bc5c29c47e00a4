"""Rigid registration of two scans of a series, and how alike they are once aligned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.api import NotJudged, register, resample, spacing_of
from safegen_detectors.longitudinal.inputs.geometry import (
    dilate,
    inverse,
    mask_points,
    rasterize_points,
    same_grid,
    transform_points,
)
from safegen_detectors.longitudinal.limits import (
    GRADIENT_MATCH_LIMIT,
    LOCAL_MATCH_LIMIT,
    SELF_SIMILARITY_LIMIT,
)
from safegen_detectors.longitudinal.maths.similarity import (
    gradient_correlation,
    local_match_map,
    self_similarity_distance,
)

if TYPE_CHECKING:
    from pytest_safegen.api import Affine, BoolArray, FloatArray, Prepared
    from safegen_detectors.longitudinal.inputs.timepoints import Timepoint


LESION_MARGIN = 6.0  # mm around a lesion that may change with it
BODY_MARGIN = 6.0  # mm below the surface, where windows see the outline that all heads share
MIN_VOXELS = 500
RETRY_STARTS = 5


@dataclass(frozen=True, slots=True)
class IdentityLimits:
    """The limits beyond which each of the three means votes for two patients."""

    local_match: float = LOCAL_MATCH_LIMIT
    self_similarity_distance: float = SELF_SIMILARITY_LIMIT
    gradient_match: float = GRADIENT_MATCH_LIMIT


DEFAULT_IDENTITY_LIMITS = IdentityLimits()


@dataclass(frozen=True, slots=True)
class Similarity:
    """The similarity of two aligned scans outside the lesions: three means over the same voxels."""

    local_match: float
    self_similarity_distance: float
    gradient_match: float
    limits: IdentityLimits = DEFAULT_IDENTITY_LIMITS

    @property
    def votes(self) -> int:
        """How many of the three means vote for two patients."""
        return (
            (self.local_match < self.limits.local_match)
            + (self.self_similarity_distance > self.limits.self_similarity_distance)
            + (self.gradient_match < self.limits.gradient_match)
        )


@dataclass(frozen=True, slots=True)
class Alignment:
    """The earlier scan on the prepared grid of the later one; arrays are (i, j, k) of that grid.

    `mapping` 4x4 takes mm of the later scan to mm of the earlier; `zone` bool is the anatomy that
    should not have changed; `moved` float32 is the earlier scan, `match` float32 the local
    correlation, and `distance` float32 the self-similarity distance, 0 outside the zone. `coverage`
    is the share, 0..1, of the smaller body that is in the other scan's field of view.
    """

    earlier: Timepoint
    later: Timepoint
    mapping: Affine
    zone: BoolArray
    moved: FloatArray
    match: FloatArray
    distance: FloatArray
    similarity: Similarity
    coverage: float


def align_pair(
    earlier: Timepoint, later: Timepoint, *, limits: IdentityLimits = DEFAULT_IDENTITY_LIMITS
) -> Alignment:
    """Register and compare; where two patients are suspected, register again from other turns.

    Raises:
        NotJudged: hardly any unchanged anatomy is left to compare.
    """
    first = align_once(earlier, later, limits=limits)
    if first.similarity.votes < 2:
        return first
    second = align_once(earlier, later, starts=RETRY_STARTS, limits=limits)
    return max(first, second, key=lambda aligned: aligned.similarity.local_match)


def mirror(point: Timepoint) -> Timepoint:
    """The same scan with left and right swapped."""
    scan = replace(point.scan, mask=None)
    prepared = point.prepared
    flipped = replace(prepared, voxels=prepared.voxels[::-1], body=prepared.body[::-1])
    return replace(point, scan=scan, prepared=flipped)


def align_once(
    earlier: Timepoint,
    later: Timepoint,
    *,
    starts: int = 1,
    limits: IdentityLimits = DEFAULT_IDENTITY_LIMITS,
) -> Alignment:
    """Register from `starts` starting positions and compare.

    Raises:
        NotJudged: hardly any unchanged anatomy is left to compare.
    """
    mapping = register(later.prepared, earlier.prepared, kind="rigid", starts=starts)
    moved = _resampled(earlier.prepared.voxels, earlier.prepared, later.prepared, mapping)
    in_view = _field_of_view(earlier.prepared, later.prepared, mapping)
    zone = _unchanged_zone(earlier, later, mapping) & in_view
    if zone.sum() < MIN_VOXELS:
        raise NotJudged(
            f"{earlier.name} and {later.name} share hardly any anatomy outside the lesion, so they "
            "cannot be compared",
            headline="Timepoints share hardly any anatomy",
        )
    match = local_match_map(later.prepared.voxels, moved)
    distance = _distance_map(later.prepared.voxels, moved, zone)
    similarity = Similarity(
        float(match[zone].mean()),
        float(distance[zone].mean()),
        _gradient_match(later.prepared.voxels, moved, zone),
        limits,
    )
    coverage = _coverage(earlier.prepared, later.prepared, mapping, in_view)
    return Alignment(earlier, later, mapping, zone, moved, match, distance, similarity, coverage)


def _resampled(values: FloatArray, source: Prepared, onto: Prepared, mapping: Affine) -> FloatArray:
    return resample(
        values, source.affine, to_affine=onto.affine, to_shape=onto.voxels.shape, mapping=mapping
    )


def _field_of_view(earlier: Prepared, later: Prepared, mapping: Affine) -> BoolArray:
    """Where on the later grid the earlier scan has values."""
    inside = _resampled(np.ones_like(earlier.voxels), earlier, later, mapping)
    return np.asarray(inside > 0.99, dtype=bool)


def _coverage(earlier: Prepared, later: Prepared, mapping: Affine, in_view: BoolArray) -> float:
    later_view = _field_of_view(later, earlier, inverse(mapping))
    shared, other = (later.body & in_view).sum(), (earlier.body & later_view).sum()
    return float(max(shared / later.body.sum(), other / earlier.body.sum()))


def _unchanged_zone(earlier: Timepoint, later: Timepoint, mapping: Affine) -> BoolArray:
    """Anatomy of the later scan well inside its body, and away from both lesions."""
    prepared = later.prepared
    spacing = float(spacing_of(prepared.affine)[0])
    padded = np.pad(prepared.body, 1)
    depth = ndimage.distance_transform_edt(padded, sampling=spacing)[1:-1, 1:-1, 1:-1]
    lesions = dilate(
        lesion_on_grid(earlier, onto=prepared, mapping=mapping)
        | lesion_on_grid(later, onto=prepared),
        millimetres=LESION_MARGIN,
        spacing=spacing,
    )
    return np.asarray((depth > BODY_MARGIN) & ~lesions, dtype=bool)


def lesion_on_grid(point: Timepoint, *, onto: Prepared, mapping: Affine | None = None) -> BoolArray:
    """A scan's lesion on a prepared grid; `mapping` takes mm of that grid to mm of the scan."""
    shape = onto.voxels.shape
    if point.scan.mask is None:
        return np.zeros(shape, dtype=bool)
    points = mask_points(point.scan.mask, point.scan.affine)
    to_grid = np.eye(4) if mapping is None else inverse(mapping)
    return rasterize_points(transform_points(points, to_grid), affine=onto.affine, shape=shape)


def bounding_box(zone: BoolArray) -> tuple[slice, ...]:
    """The slices that hold a zone."""
    box: tuple[slice, ...] = ndimage.find_objects(zone.astype(np.uint8))[0]
    return box


def _distance_map(fixed: FloatArray, moved: FloatArray, zone: BoolArray) -> FloatArray:
    box = bounding_box(zone)
    distance = np.zeros_like(fixed)
    distance[box] = self_similarity_distance(fixed[box], moved[box])
    return distance


def _gradient_match(fixed: FloatArray, moved: FloatArray, zone: BoolArray) -> float:
    box = bounding_box(zone)
    return gradient_correlation(fixed[box], moved[box], where=zone[box], sigma_voxels=1.0)


def pair_name(aligned: Alignment) -> str:
    """What a message calls the two timepoints."""
    return f"from {aligned.earlier.name} to {aligned.later.name}"


def least_similar_point(aligned: Alignment) -> tuple[float, float, float]:
    """Where the smoothed local match is lowest, in mm of the later scan."""
    match = np.where(aligned.zone, smoothed_match(aligned), np.inf)
    index = np.unravel_index(int(np.argmin(match)), match.shape)
    x, y, z = (aligned.later.prepared.affine @ [*map(float, index), 1.0])[:3]
    return float(x), float(y), float(z)


def smoothed_match(aligned: Alignment) -> FloatArray:
    """The local match averaged over 6 mm (Gaussian) of the zone; 0 outside the zone."""
    sigma = 6.0 / float(spacing_of(aligned.later.prepared.affine)[0])
    zone = aligned.zone.astype(np.float32)
    weight = ndimage.gaussian_filter(zone, sigma)
    total = ndimage.gaussian_filter(aligned.match * zone, sigma)
    return np.asarray(np.where(aligned.zone, total / np.maximum(weight, 1e-6), 0), np.float32)


def share_voxel_grid(aligned: Alignment) -> bool:
    """True where both scans have their voxels at the same places."""
    first, second = aligned.earlier.scan, aligned.later.scan
    return first.voxels.shape == second.voxels.shape and same_grid(first.affine, second.affine)
