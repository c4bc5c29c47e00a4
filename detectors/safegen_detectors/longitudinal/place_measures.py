"""Measures of where the lesion mask lies: inside the body, and how bright against its surround."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.api import Measure, NotJudged, spacing_of
from safegen_detectors.longitudinal import masks
from safegen_detectors.longitudinal.pathologies import band_for
from safegen_detectors.longitudinal.regions import regions_of
from safegen_detectors.longitudinal.volumes import is_treated
from safegen_detectors.longitudinal.words import label, place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from safegen_detectors.longitudinal.regions import Region
    from safegen_detectors.longitudinal.timepoints import Timepoint

ONE_VOXEL_OUT = 1.01  # of the prepared spacing: the body's edge is no sharper than this
RING = (2.0, 7.0)  # mm around the lesion: what it is compared with
FEWEST_VOXELS = 8


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a mask lies: `depths` (n,), how far in mm each of its voxels leaves where it may be.

    `depths` is None where nothing says where that is; `problem` says which outline cannot be used.
    """

    measures: tuple[Measure, ...] = ()
    depths: NDArray[np.float64] | None = None
    problem: str = ""


def placed(point: Timepoint) -> Placed:
    """Whether the mask stays in the body, in a lung, and in the organ that the user outlines.

    Nothing without a mask, with an empty one, or after a resection, whose cavity may open to the
    outside.
    """
    mask = point.scan.mask
    if mask is None or not mask.any() or label(point.ref.labels, "resected"):
        return Placed()
    places = masks.points(mask, point.scan.affine)
    measures: list[Measure] = []
    depths: NDArray[np.float64] | None = None
    try:
        for region in regions_of(point):
            depth = _depths(places, region, point)
            measures += _region_measures(point, places, depth, region)
            depths = depth if depths is None else np.maximum(depths, depth)
    except NotJudged as problem:
        return Placed(tuple(measures), depths, str(problem))
    return Placed(tuple(measures), depths)


def _depths(places: NDArray[np.float64], region: Region, point: Timepoint) -> NDArray[np.float64]:
    """How far in mm each voxel of the mask lies outside of a region, one voxel forgiven."""
    affine = point.prepared.affine
    spacing = float(spacing_of(affine)[0])
    depths = masks.depths_outside(places, body=region.voxels, affine=affine, spacing=spacing)
    return np.where(depths > ONE_VOXEL_OUT * spacing, depths, 0.0)


def _region_measures(
    point: Timepoint, places: NDArray[np.float64], depths: NDArray[np.float64], region: Region
) -> list[Measure]:
    inside, deepest = float((depths == 0).mean()), float(depths.max())
    where = place(places[int(depths.argmax())])
    says = (
        f"{1 - inside:.0%} of the lesion mask at {point.name} lies outside {region.noun}, farthest "
        f"at {where}"
    )
    reaches = (
        f"the lesion mask at {point.name} reaches {deepest:.1f} mm out of {region.noun} at {where}"
    )
    return [
        Measure(f"{region.name}_inside", inside, "", says),
        Measure(f"{region.name}_depth_outside", deepest, "mm", reaches),
    ]


def mask_measures(points: Sequence[Timepoint], where: Sequence[Placed]) -> list[Measure]:
    """Masks that should be there and cannot be used, and those that are empty beside a lesion.

    After a treatment or a resection nothing may be left to mark.
    """
    unread = [f"{point.name}: {text}" for point in points if (text := point.scan.mask_problem)]
    unread += [one.problem for one in where if one.problem]
    says = "; ".join(unread)
    empty = [
        point
        for point in points
        if point.scan.mask is not None
        and not point.scan.mask.any()
        and label(point.ref.labels, "pathology")
        and not is_treated(point.ref.labels)
    ]
    names = ", ".join(point.name for point in empty)
    blank = f"the lesion mask is empty although a lesion is told at {names}"
    sidecars = [point for point in points if "sidecar_unread" in point.ref.labels]
    odd = ", ".join(point.ref.labels["sidecar_unread"] for point in sidecars)
    return [
        Measure("sidecars_unread", len(sidecars), "files", f"what is stated is not known: {odd}"),
        Measure("masks_unread", len(unread), "masks", f"no mask can be used at {says}"),
        Measure("masks_empty", len(empty), "masks", blank),
    ]


def volume_measures(points: Sequence[Timepoint]) -> list[Measure]:
    """Lesion volume at the first and at the last timepoint that has a mask."""
    volumes = [
        masks.volume(point.scan.mask, point.scan.affine)
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
    """Whether a lesion that is brighter than its surround stays so; not after treatment."""
    found = []
    for one, two in pairwise(points):
        exempt = any(map(is_treated, (one.ref.labels, two.ref.labels)))
        first, second = lesion_contrast(one), lesion_contrast(two)
        if exempt or first is None or second is None:
            continue
        if band_for(label(two.ref.labels, "pathology")).shrinks:
            continue
        found.append(_kept(one, two, first, second))
    return found


def _kept(one: Timepoint, two: Timepoint, first: float, second: float) -> Measure:
    kept = float(np.sign(first * second) * min(abs(first), abs(second)))
    words = ["brighter" if contrast > 0 else "darker" for contrast in (first, second)]
    says = (
        f"the lesion is {words[0]} than its surround at {one.name} and {words[1]} at {two.name} "
        f"({first:+.1f} and {second:+.1f} times the spread of the tissue)"
    )
    return Measure("lesion_contrast_kept", kept, "", says)


def lesion_contrast(point: Timepoint) -> float | None:
    """Median of the lesion less that of a ring around it, over the ring's robust spread.

    None where the lesion has no eight voxels on the prepared grid.
    """
    lesion, prepared = point.prepared.pathology, point.prepared
    if lesion is None or lesion.sum() < FEWEST_VOXELS:
        return None
    box = _around(lesion, margin=5)
    inside, values, body = lesion[box], prepared.voxels[box], prepared.body[box]
    spacing = float(spacing_of(prepared.affine)[0])
    away = ndimage.distance_transform_edt(~inside, sampling=spacing)
    ring = (away > RING[0]) & (away <= RING[1]) & body
    if ring.sum() < FEWEST_VOXELS:
        return None
    low, middle, high = np.percentile(values[ring], (25, 50, 75))
    spread = max(float(high - low), 0.02)
    return float((np.median(values[inside]) - middle) / spread)


def _around(lesion: NDArray[np.bool_], *, margin: int) -> tuple[slice, ...]:
    sides = ndimage.find_objects(lesion.astype(np.uint8))[0]
    return tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in sides)
