"""Measures of lesion location: inside the body, lung or organ, and contrast with its surround."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.api import (
    HOUNSFIELD_CEILING,
    HOUNSFIELD_FLOOR,
    Measure,
    NotJudged,
    ReadError,
    read_scan,
    resample,
    spacing_of,
)
from safegen_detectors.longitudinal.inputs.geometry import (
    depth_outside,
    dilate,
    fill_slices,
    format_point,
    mask_points,
    mask_volume,
)
from safegen_detectors.longitudinal.inputs.metadata import is_treated, read_label, referenced_file
from safegen_detectors.longitudinal.inputs.pathologies import growth_band, sphere_diameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_safegen.api import BoolArray
    from safegen_detectors.longitudinal.inputs.timepoints import Timepoint


LUNG_PATTERN = r"\blung|pulmon|ground.?glass|\bp?ggn\b|\bggo\b|(?:part|sub).?solid"
OTHER_ORGANS = (
    r"liver|hepat|thyroid|adrenal|renal|kidney|breast|lymph|splen|pancrea|prostat|skin|soft"
)
AIR_THRESHOLD = -400.0  # Hounsfield units, below which tissue is lung or air
MIN_LUNG = 0.05  # share of the image, or 100 ml, that is lung; less is bowel, or no lung at all
CLOSING = 20.0  # mm, or a diameter of the lesion: nodules at the pleura and hilum are in the lung

FORGIVEN_VOXELS = 1.01  # of the prepared spacing: the body's edge is no sharper than this
RING_DISTANCES = (2.0, 7.0)  # mm around the lesion: what it is compared with
MIN_VOXELS = 8


@dataclass(frozen=True, slots=True)
class MaskLocation:
    """Where a mask lies: `depths` (n,), how far in mm each of its voxels leaves where it may be.

    `depths` is None where nothing says where that is; `problem` says which outline cannot be used.
    """

    measures: tuple[Measure, ...] = ()
    depths: NDArray[np.float64] | None = None
    problem: str = ""


def locate_mask(point: Timepoint) -> MaskLocation:
    """Whether the mask stays in the body, in a lung, and in the organ that the user outlines.

    Nothing without a mask, with an empty one, or after a resection, whose cavity may open to the
    outside.
    """
    mask = point.scan.mask
    if mask is None or not mask.any() or read_label(point.ref.labels, "resected"):
        return MaskLocation()
    places = mask_points(mask, point.scan.affine)
    measures: list[Measure] = []
    depths: NDArray[np.float64] | None = None
    try:
        for region in allowed_regions(point):
            depth = _depths(places, region, point)
            measures += _region_measures(point, places, depth, region)
            depths = depth if depths is None else np.maximum(depths, depth)
    except NotJudged as problem:
        return MaskLocation(tuple(measures), depths, str(problem))
    return MaskLocation(tuple(measures), depths)


def _depths(
    places: NDArray[np.float64], region: AllowedRegion, point: Timepoint
) -> NDArray[np.float64]:
    """How far in mm each voxel of the mask lies outside of a region, one voxel forgiven."""
    affine = point.prepared.affine
    spacing = float(spacing_of(affine)[0])
    depths = depth_outside(places, body=region.voxels, affine=affine, spacing=spacing)
    return np.where(depths > FORGIVEN_VOXELS * spacing, depths, 0.0)


def _region_measures(
    point: Timepoint,
    places: NDArray[np.float64],
    depths: NDArray[np.float64],
    region: AllowedRegion,
) -> list[Measure]:
    inside, deepest = float((depths == 0).mean()), float(depths.max())
    where = format_point(places[int(depths.argmax())])
    message = (
        f"{1 - inside:.0%} of the lesion mask at {point.name} lies outside {region.noun}, farthest "
        f"at {where}"
    )
    reaches = (
        f"the lesion mask at {point.name} reaches {deepest:.1f} mm out of {region.noun} at {where}"
    )
    return [
        Measure(f"{region.name}_inside", inside, "", message),
        Measure(f"{region.name}_depth_outside", deepest, "mm", reaches),
    ]


def mask_measures(points: Sequence[Timepoint], where: Sequence[MaskLocation]) -> list[Measure]:
    """Masks that should be there and cannot be used, and those that are empty beside a lesion.

    After a treatment or a resection nothing may be left to mark.
    """
    unread = [f"{point.name}: {text}" for point in points if (text := point.scan.mask_problem)]
    unread += [one.problem for one in where if one.problem]
    message = "; ".join(unread)
    empty = [
        point
        for point in points
        if point.scan.mask is not None
        and not point.scan.mask.any()
        and read_label(point.ref.labels, "pathology")
        and not is_treated(point.ref.labels)
    ]
    names = ", ".join(point.name for point in empty)
    blank = f"the lesion mask is empty although a lesion is told at {names}"
    sidecars = [point for point in points if "sidecar_unread" in point.ref.labels]
    odd = ", ".join(point.ref.labels["sidecar_unread"] for point in sidecars)
    return [
        Measure("sidecars_unread", len(sidecars), "files", f"what is stated is not known: {odd}"),
        Measure("masks_unread", len(unread), "masks", f"no mask can be used at {message}"),
        Measure("masks_empty", len(empty), "masks", blank),
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
    """Whether a lesion that is brighter than its surround stays so; not after treatment."""
    found = []
    for one, two in pairwise(points):
        exempt = any(map(is_treated, (one.ref.labels, two.ref.labels)))
        first, second = lesion_contrast(one), lesion_contrast(two)
        if exempt or first is None or second is None:
            continue
        if growth_band(read_label(two.ref.labels, "pathology")).shrinks:
            continue
        found.append(_contrast_kept(one, two, first, second))
    return found


def _contrast_kept(one: Timepoint, two: Timepoint, first: float, second: float) -> Measure:
    kept = float(np.sign(first * second) * min(abs(first), abs(second)))
    words = ["brighter" if contrast > 0 else "darker" for contrast in (first, second)]
    message = (
        f"the lesion is {words[0]} than its surround at {one.name} and {words[1]} at {two.name} "
        f"({first:+.1f} and {second:+.1f} times the spread of the tissue)"
    )
    return Measure("lesion_contrast_kept", kept, "", message)


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
    away = ndimage.distance_transform_edt(~inside, sampling=spacing)
    ring = (away > RING_DISTANCES[0]) & (away <= RING_DISTANCES[1]) & body
    if ring.sum() < MIN_VOXELS:
        return None
    low, middle, high = np.percentile(values[ring], (25, 50, 75))
    spread = max(float(high - low), 0.02)
    return float((np.median(values[inside]) - middle) / spread)


def _box_around(lesion: NDArray[np.bool_], *, margin: int) -> tuple[slice, ...]:
    sides = ndimage.find_objects(lesion.astype(np.uint8))[0]
    return tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in sides)


@dataclass(frozen=True, slots=True)
class AllowedRegion:
    """Where lesions may lie: bool (i, j, k) on the prepared grid; `name` begins its measures."""

    name: str
    noun: str
    voxels: BoolArray


def allowed_regions(point: Timepoint) -> Iterator[AllowedRegion]:
    """The body where its outline is seen, the closed lung around a nodule, and the user's organ.

    Raises:
        NotJudged: the organ's mask cannot be used.
    """
    if not point.crop:
        yield AllowedRegion("mask", "the body", fill_slices(point.prepared.body))
    if point.intensity == "ct" and is_lung_pathology(read_label(point.ref.labels, "pathology")):
        lung = closed_lung(point)
        if lung is not None:
            yield AllowedRegion("lung", "the lung", lung)
    if read_label(point.ref.labels, "organ_mask") is not None:
        name = PurePosixPath(point.ref.labels["organ_mask"].strip()).name
        yield AllowedRegion("organ", f"the organ of {name}", _organ_mask(point))


def is_lung_pathology(pathology: str | None) -> bool:
    """Whether a pathology, as people write it, is one of the lung."""
    text = pathology or ""
    nodule = "nodule" in text and not re.search(OTHER_ORGANS, text)
    return nodule or bool(re.search(LUNG_PATTERN, text))


def segment_lung(point: Timepoint) -> BoolArray | None:
    """Air-filled lung in a CT, on the prepared grid; None where there is hardly any."""
    prepared = point.prepared
    air = (AIR_THRESHOLD - HOUNSFIELD_FLOOR) / (HOUNSFIELD_CEILING - HOUNSFIELD_FLOOR)
    inside = prepared.body if point.crop else fill_slices(prepared.body)
    parts, _ = ndimage.label(inside & (prepared.voxels < air))
    sizes = np.bincount(parts.ravel())
    least = min(MIN_LUNG * parts.size, 100_000.0 / float(spacing_of(prepared.affine)[0]) ** 3)
    kept = sizes >= least
    kept[0] = False
    return np.asarray(kept[parts], dtype=bool) if kept.any() else None


def closed_lung(point: Timepoint) -> BoolArray | None:
    """The lung with its vessels, and nodules at the pleura; None where there is hardly any."""
    lung, mask = segment_lung(point), point.scan.mask
    if lung is None:
        return None
    width = 0.0 if mask is None else sphere_diameter(mask_volume(mask, point.scan.affine))
    spacing = float(spacing_of(point.prepared.affine)[0])
    return _binary_closing(lung, millimetres=max(CLOSING, width), spacing=spacing)


def _binary_closing(mask: BoolArray, *, millimetres: float, spacing: float) -> BoolArray:
    """Morphological closing with a ball; the outside of the image counts as neither."""
    margin = int(np.ceil(millimetres / spacing)) + 1
    padded = np.pad(mask, margin, mode="edge")
    grown = dilate(padded, millimetres=millimetres, spacing=spacing)
    depth = ndimage.distance_transform_edt(grown, sampling=spacing)
    inner = tuple(slice(margin, -margin) for _ in range(3))
    return np.asarray((depth > millimetres)[inner], dtype=bool)


def _organ_mask(point: Timepoint) -> BoolArray:
    """The user's mask of an organ, in whatever grid, on the prepared grid of the scan."""
    prepared = point.prepared
    try:
        organ = read_scan(referenced_file(point.ref, "organ_mask"))
    except ReadError as problem:
        raise NotJudged(f"organ_mask of {point.name}: {problem}") from problem
    inside = (organ.voxels > 0).astype(np.float32)
    onto = resample(
        inside, organ.affine, to_affine=prepared.affine, to_shape=prepared.voxels.shape, order=1
    )
    if not (onto > 0.5).any():
        raise NotJudged(f"organ_mask of {point.name}: it is empty, or does not lie over the scan")
    return np.asarray(onto > 0.5, dtype=bool)
