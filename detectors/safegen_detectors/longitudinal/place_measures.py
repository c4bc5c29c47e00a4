"""Measures of where the lesion mask lies: inside the body, and how bright against its surround."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.model import Measure
from pytest_safegen.prepare import spacing_of
from safegen_detectors.longitudinal import masks
from safegen_detectors.longitudinal.pathologies import band_for
from safegen_detectors.longitudinal.volumes import is_treated
from safegen_detectors.longitudinal.words import label, place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from safegen_detectors.longitudinal.timepoints import Timepoint

ONE_VOXEL_OUT = 1.01  # of the prepared spacing: the body's edge is no sharper than this
RING = (2.0, 7.0)  # mm around the lesion: what it is compared with
FEWEST_VOXELS = 8


def depth_outside(point: Timepoint) -> NDArray[np.float64] | None:
    """How far in mm each voxel of the mask lies outside the body, (n,), one voxel forgiven.

    None without a mask, with an empty one, where the body fills the whole image, or after a
    resection, whose cavity may open to the outside.
    """
    mask, prepared = point.scan.mask, point.prepared
    resected = label(point.ref.labels, "resected")
    if mask is None or not mask.any() or point.crop or resected:
        return None
    spacing = float(spacing_of(prepared.affine)[0])
    depths = masks.depths_outside(
        masks.points(mask, point.scan.affine),
        body=masks.filled_by_slice(prepared.body),
        affine=prepared.affine,
        spacing=spacing,
    )
    return np.where(depths > ONE_VOXEL_OUT * spacing, depths, 0.0)


def place_measures(point: Timepoint, depths: NDArray[np.float64] | None) -> list[Measure]:
    """Share of the mask inside the body, and how deep it leaves the body."""
    if depths is None or point.scan.mask is None:
        return []
    inside, deepest = float((depths == 0).mean()), float(depths.max())
    where = place(masks.points(point.scan.mask, point.scan.affine)[int(depths.argmax())])
    says = (
        f"{1 - inside:.0%} of the lesion mask at {point.name} lies outside the body, farthest at "
        f"{where}"
    )
    reaches = f"the lesion mask at {point.name} reaches {deepest:.1f} mm out of the body at {where}"
    return [
        Measure("mask_inside", inside, "", says),
        Measure("mask_depth_outside", deepest, "mm", reaches),
    ]


def mask_measures(points: Sequence[Timepoint]) -> list[Measure]:
    """Masks that should be there and cannot be used, and those that are empty beside a lesion.

    After a treatment or a resection nothing may be left to mark.
    """
    unread = [point for point in points if point.scan.mask_problem]
    says = "; ".join(f"{point.name}: {point.scan.mask_problem}" for point in unread)
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
    return [
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
