"""Regions that must hold a lesion: the body, the lung, and an organ that the user outlined."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.api import (
    HOUNSFIELD_CEILING,
    HOUNSFIELD_FLOOR,
    NotJudged,
    ReadError,
    read_scan,
    resample,
    spacing_of,
)
from safegen_detectors.longitudinal.inputs.geometry import dilate, fill_slices, mask_volume
from safegen_detectors.longitudinal.inputs.metadata import read_label, referenced_file
from safegen_detectors.longitudinal.inputs.pathologies import sphere_diameter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_safegen.api import BoolArray
    from safegen_detectors.longitudinal.inputs.timepoints import Timepoint

LUNG_PATTERN = r"\blung|pulmon|ground.?glass|\bp?ggn\b|\bggo\b|(?:part|sub).?solid"
OTHER_ORGANS = (
    r"liver|hepat|thyroid|adrenal|renal|kidney|breast|lymph|splen|pancrea|prostat|skin|soft"
)
AIR_THRESHOLD = -400.0  # Hounsfield units, below which tissue is lung or air
MIN_LUNG = 0.05  # share of the image, or 100 ml, that is lung; less is bowel, or no lung at all
CLOSING = 20.0  # mm, or a diameter of the lesion: nodules at the pleura and hilum are in the lung


@dataclass(frozen=True, slots=True)
class AllowedRegion:
    """A region that must hold the lesion, bool (i, j, k) on the prepared grid.

    The names of its measures begin with `name`; messages call it `noun`.
    """

    name: str
    noun: str
    voxels: BoolArray


def allowed_regions(point: Timepoint) -> Iterator[AllowedRegion]:
    """The body where its outline is seen, the closed lung of a nodule, and the user's organ.

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
        yield AllowedRegion("organ", f"the organ outlined in {name}", _organ_mask(point))


def is_lung_pathology(pathology: str | None) -> bool:
    """True for a pathology of the lung, as people write it."""
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
    large = sizes >= least
    large[0] = False
    return np.asarray(large[parts], dtype=bool) if large.any() else None


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
    """The user's mask of an organ, of any grid, resampled to the prepared grid of the scan."""
    prepared = point.prepared
    try:
        organ = read_scan(referenced_file(point.ref, "organ_mask"))
    except ReadError as problem:
        raise NotJudged(f"organ_mask of {point.name}: {problem}") from problem
    inside = (organ.voxels > 0).astype(np.float32)
    resampled = resample(
        inside, organ.affine, to_affine=prepared.affine, to_shape=prepared.voxels.shape, order=1
    )
    if not (resampled > 0.5).any():
        raise NotJudged(f"organ_mask of {point.name}: it is empty or does not overlap the scan")
    return np.asarray(resampled > 0.5, dtype=bool)
