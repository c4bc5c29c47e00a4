"""Where a lesion may lie: in the body, in a lung, in an organ that the user outlines."""

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
from safegen_detectors.longitudinal import masks
from safegen_detectors.longitudinal.columns import named_by
from safegen_detectors.longitudinal.pathologies import diameter
from safegen_detectors.longitudinal.words import label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_safegen.api import BoolArray
    from safegen_detectors.longitudinal.timepoints import Timepoint

LUNG = r"\blung|pulmon|ground.?glass|\bp?ggn\b|\bggo\b|(?:part|sub).?solid"
ELSEWHERE = r"liver|hepat|thyroid|adrenal|renal|kidney|breast|lymph|splen|pancrea|prostat|skin|soft"
AIR = -400.0  # Hounsfield units, below which tissue is lung or air
LEAST_LUNG = 0.05  # share of the image, or 100 ml, that is lung; less is bowel, or no lung at all
CLOSING = 20.0  # mm, or a diameter of the lesion: nodules at the pleura and hilum are in the lung


@dataclass(frozen=True, slots=True)
class Region:
    """Where lesions may lie: bool (i, j, k) on the prepared grid; `name` begins its measures."""

    name: str
    noun: str
    voxels: BoolArray


def regions_of(point: Timepoint) -> Iterator[Region]:
    """The body where its outline is seen, the closed lung around a nodule, and the user's organ.

    Raises:
        NotJudged: the organ's mask cannot be used.
    """
    if not point.crop:
        yield Region("mask", "the body", masks.filled_by_slice(point.prepared.body))
    if point.intensity == "ct" and of_lung(label(point.ref.labels, "pathology")):
        lung = closed_lung(point)
        if lung is not None:
            yield Region("lung", "the lung", lung)
    if label(point.ref.labels, "organ_mask") is not None:
        name = PurePosixPath(point.ref.labels["organ_mask"].strip()).name
        yield Region("organ", f"the organ of {name}", _organ(point))


def of_lung(pathology: str | None) -> bool:
    """Whether a pathology, as people write it, is one of the lung."""
    text = pathology or ""
    nodule = "nodule" in text and not re.search(ELSEWHERE, text)
    return nodule or bool(re.search(LUNG, text))


def lung_of(point: Timepoint) -> BoolArray | None:
    """Air-filled lung in a CT, on the prepared grid; None where there is hardly any."""
    prepared = point.prepared
    air = (AIR - HOUNSFIELD_FLOOR) / (HOUNSFIELD_CEILING - HOUNSFIELD_FLOOR)
    inside = prepared.body if point.crop else masks.filled_by_slice(prepared.body)
    parts, _ = ndimage.label(inside & (prepared.voxels < air))
    sizes = np.bincount(parts.ravel())
    least = min(LEAST_LUNG * parts.size, 100_000.0 / float(spacing_of(prepared.affine)[0]) ** 3)
    kept = sizes >= least
    kept[0] = False
    return np.asarray(kept[parts], dtype=bool) if kept.any() else None


def closed_lung(point: Timepoint) -> BoolArray | None:
    """The lung with its vessels, and nodules at the pleura; None where there is hardly any."""
    lung, mask = lung_of(point), point.scan.mask
    if lung is None:
        return None
    width = 0.0 if mask is None else diameter(masks.volume(mask, point.scan.affine))
    spacing = float(spacing_of(point.prepared.affine)[0])
    return _closed(lung, millimetres=max(CLOSING, width), spacing=spacing)


def _closed(mask: BoolArray, *, millimetres: float, spacing: float) -> BoolArray:
    """Morphological closing with a ball; the outside of the image counts as neither."""
    margin = int(np.ceil(millimetres / spacing)) + 1
    padded = np.pad(mask, margin, mode="edge")
    grown = masks.grown(padded, millimetres=millimetres, spacing=spacing)
    depth = ndimage.distance_transform_edt(grown, sampling=spacing)
    inner = tuple(slice(margin, -margin) for _ in range(3))
    return np.asarray((depth > millimetres)[inner], dtype=bool)


def _organ(point: Timepoint) -> BoolArray:
    """The user's mask of an organ, in whatever grid, on the prepared grid of the scan."""
    prepared = point.prepared
    try:
        organ = read_scan(named_by(point.ref, "organ_mask"))
    except ReadError as problem:
        raise NotJudged(f"organ_mask of {point.name}: {problem}") from problem
    inside = (organ.voxels > 0).astype(np.float32)
    onto = resample(
        inside, organ.affine, to_affine=prepared.affine, to_shape=prepared.voxels.shape, order=1
    )
    if not (onto > 0.5).any():
        raise NotJudged(f"organ_mask of {point.name}: it is empty, or does not lie over the scan")
    return np.asarray(onto > 0.5, dtype=bool)
