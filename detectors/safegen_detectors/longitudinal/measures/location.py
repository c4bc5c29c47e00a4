"""Measures of lesion location: inside the body, lung or organ, and contrast with its surround."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.api import Measure, NotJudged, spacing_of
from safegen_detectors.longitudinal.inputs.geometry import (
    depth_outside,
    format_point,
    mask_points,
    mask_volume,
    voxel_volume,
)
from safegen_detectors.longitudinal.inputs.metadata import is_treated, read_label
from safegen_detectors.longitudinal.inputs.pathologies import growth_band
from safegen_detectors.longitudinal.measures.regions import AllowedRegion, allowed_regions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from safegen_detectors.longitudinal.inputs.timepoints import Timepoint


FORGIVEN_VOXELS = 1.01  # of the prepared spacing: the body's edge is no sharper than this
RING_DISTANCES = (2.0, 7.0)  # mm around the lesion: what it is compared with
MIN_VOXELS = 8


@dataclass(frozen=True, slots=True)
class MaskLocation:
    """Where a mask lies: `depths` (n,) in mm, how deep each voxel is outside its allowed region.

    `depths` is None without such a region; `problem` names an outline that cannot be used.
    """

    measures: tuple[Measure, ...] = ()
    depths: NDArray[np.float64] | None = None
    problem: str = ""


def locate_mask(point: Timepoint) -> MaskLocation:
    """Whether the mask lies in the body, in the lung, and in the organ that the user outlined.

    Nothing without a mask, with an empty one, or after a resection, whose cavity may open to the
    outside.
    """
    mask = point.scan.mask
    if mask is None or not mask.any() or read_label(point.ref.labels, "resected"):
        return MaskLocation()
    points = mask_points(mask, point.scan.affine)
    measures: list[Measure] = []
    depths: NDArray[np.float64] | None = None
    try:
        for region in allowed_regions(point):
            depth = _depths(points, region, point)
            measures += _region_measures(point, points, depth, region)
            depths = depth if depths is None else np.maximum(depths, depth)
    except NotJudged as problem:
        return MaskLocation(tuple(measures), depths, str(problem))
    return MaskLocation(tuple(measures), depths)


def _depths(
    points: NDArray[np.float64], region: AllowedRegion, point: Timepoint
) -> NDArray[np.float64]:
    """How deep in mm each voxel of the mask lies outside a region; one voxel is forgiven."""
    affine = point.prepared.affine
    spacing = float(spacing_of(affine)[0])
    depths = depth_outside(points, body=region.voxels, affine=affine, spacing=spacing)
    return np.where(depths > FORGIVEN_VOXELS * spacing, depths, 0.0)


def _region_measures(
    point: Timepoint,
    points: NDArray[np.float64],
    depths: NDArray[np.float64],
    region: AllowedRegion,
) -> list[Measure]:
    inside, deepest = float((depths == 0).mean()), float(depths.max())
    place = format_point(points[int(depths.argmax())].tolist())
    ml = float((depths > 0).sum()) * voxel_volume(point.scan.affine)
    share = (
        f"{1 - inside:.0%} of the lesion mask at {point.name} lies outside {region.noun}, farthest "
        f"at {place}"
    )
    depth = (
        f"the lesion mask at {point.name} reaches {deepest:.1f} mm out of {region.noun} at {place}"
    )
    short = f"the {region.name}" if region.name != "mask" else "the body"
    return [
        Measure(f"{region.name}_inside", inside, "", share, f"Lesion outside {short}, {ml:.1f} ml"),
        Measure(
            f"{region.name}_depth_outside",
            deepest,
            "mm",
            depth,
            f"Lesion reaches {deepest:.1f} mm out of {short}",
        ),
    ]


def mask_measures(points: Sequence[Timepoint], locations: Sequence[MaskLocation]) -> list[Measure]:
    """Masks and sidecars that cannot be used, and empty masks where a lesion is stated.

    After a treatment or a resection nothing may be left to mark.
    """
    unread = [f"{point.name}: {text}" for point in points if (text := point.scan.mask_problem)]
    unread += [one.problem for one in locations if one.problem]
    empty = [
        point
        for point in points
        if point.scan.mask is not None
        and not point.scan.mask.any()
        and read_label(point.ref.labels, "pathology")
        and not is_treated(point.ref.labels)
    ]
    names = ", ".join(point.name for point in empty)
    labels = [point.ref.labels for point in points]
    sidecars = [one["sidecar_unread"] for one in labels if "sidecar_unread" in one]
    return [
        Measure(
            "sidecars_unread",
            len(sidecars),
            "files",
            f"metadata are missing because {', '.join(sidecars)}",
            "JSON sidecar cannot be read",
        ),
        Measure(
            "masks_unread",
            len(unread),
            "masks",
            f"a mask cannot be used ({'; '.join(unread)})",
            "Mask cannot be used",
        ),
        Measure(
            "masks_empty",
            len(empty),
            "masks",
            f"the lesion mask is empty at {names}, although the metadata state a lesion",
            "Lesion mask is empty although a lesion is stated",
        ),
    ]


def volume_measures(points: Sequence[Timepoint]) -> list[Measure]:
    """Lesion volume at the first and at the last timepoint that has a mask."""
    volumes = [
        mask_volume(point.scan.mask, point.scan.affine)
        for point in points
        if point.scan.mask is not None
    ]
    if not volumes:
        return []
    return [
        Measure("lesion_volume_first", volumes[0], "ml"),
        Measure("lesion_volume_last", volumes[-1], "ml"),
    ]


def contrast_measures(points: Sequence[Timepoint]) -> list[Measure]:
    """Whether a lesion brighter than its surroundings stays so; nothing after a treatment."""
    found = []
    for one, two in pairwise(points):
        exempt = any(map(is_treated, (one.ref.labels, two.ref.labels)))
        first, second = lesion_contrast(one), lesion_contrast(two)
        if exempt or first is None or second is None:
            continue
        if growth_band(read_label(two.ref.labels, "pathology")).shrinks:
            continue
        found.append(_contrast_preserved(one, two, first, second))
    return found


def _contrast_preserved(one: Timepoint, two: Timepoint, first: float, second: float) -> Measure:
    """The smaller of the two contrasts, negative where their signs differ."""
    preserved = float(np.sign(first * second) * min(abs(first), abs(second)))
    before, after = ("brighter" if contrast > 0 else "darker" for contrast in (first, second))
    message = (
        f"the lesion is {before} than its surroundings at {one.name} and {after} at {two.name}"
    )
    headline = f"Lesion turned from {before} to {after} than its surroundings"
    return Measure("lesion_contrast_preserved", preserved, "", message, headline)


def lesion_contrast(point: Timepoint) -> float | None:
    """Median of the lesion less that of a ring around it, over the ring's robust spread.

    None where the lesion has no eight voxels on the prepared grid.
    """
    lesion, prepared = point.prepared.pathology, point.prepared
    if lesion is None or lesion.sum() < MIN_VOXELS:
        return None
    box = _box_around(lesion, margin=5)
    inside, values, body = lesion[box], prepared.voxels[box], prepared.body[box]
    spacing = float(spacing_of(prepared.affine)[0])
    distance = ndimage.distance_transform_edt(~inside, sampling=spacing)
    ring = (distance > RING_DISTANCES[0]) & (distance <= RING_DISTANCES[1]) & body
    if ring.sum() < MIN_VOXELS:
        return None
    low, middle, high = np.percentile(values[ring], (25, 50, 75))
    spread = max(float(high - low), 0.02)
    return float((np.median(values[inside]) - middle) / spread)


def _box_around(lesion: NDArray[np.bool_], *, margin: int) -> tuple[slice, ...]:
    sides = ndimage.find_objects(lesion.astype(np.uint8))[0]
    return tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in sides)
