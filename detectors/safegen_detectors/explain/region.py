"""Where the worst region of a map lies, in words and millimetres for a radiologist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    Map = NDArray[Any]
    Mask = NDArray[np.bool_]
    Affine = NDArray[np.float64]

Point = tuple[float, float, float]

MIDDLE = 1 / 6
"""Share of the body's length on either side of its middle that is central: the middle third."""
SIDES = (("left", "right"), ("posterior", "anterior"), ("inferior", "superior"))
"""What lies at the low and at the high end of x, y and z in RAS+."""
CENTRAL = "central"


@dataclass(frozen=True, slots=True)
class Region:
    """A connected region of a map; places in mm of the scan's world, RAS+.

    `box_mm` is its lowest and its highest corner, whole voxels counted; `side` is the patient's
    "left", "right" or "central"; `part` is such as "left anterior superior", or "central";
    `anatomy` is the structure that most of it lies in, "" if unknown.
    """

    volume_ml: float
    box_mm: tuple[Point, Point]
    peak: float
    peak_mm: Point
    side: str
    part: str
    anatomy: str = ""


def worst_region(
    values: Map,
    affine: Affine,
    body: Mask,
    *,
    limit: float = 1.0,
    labels: NDArray[Any] | None = None,
    names: Mapping[int, str] | None = None,
) -> Region | None:
    """The connected region (26 neighbours) at or above the limit with the highest peak.

    `values`, `body` and `labels` (i, j, k) lie on the grid of the affine, voxel index to mm RAS+.
    None where nothing reaches the limit.
    """
    inside = _component(np.nan_to_num(values, nan=-np.inf), limit)
    if inside is None:
        return None
    index = np.argwhere(inside)
    places = index @ affine[:3, :3].T + affine[:3, 3]
    top = int(values[inside].argmax())
    words = _sides(places.mean(axis=0), *_extent(body, affine))
    return Region(
        volume_ml=len(index) * float(abs(np.linalg.det(affine[:3, :3]))) / 1000,
        box_mm=_box(places, affine),
        peak=float(values[inside][top]),
        peak_mm=_point(places[top]),
        side=words[0],
        part=_part_name(words),
        anatomy=_anatomy(inside, labels, names or {}),
    )


def describe_region(region: Region) -> str:
    """Its volume, part of the body and box in mm, as a radiologist reads them.

    >>> box = ((-32.0, 10.0, 20.0), (-14.0, 30.0, 41.0))
    >>> describe_region(Region(4.14, box, 2.0, (-20.0, 20.0, 30.0), "left", "left superior"))
    '4.1 ml in the left superior part, x -32 to -14, y 10 to 30, z 20 to 41 mm'
    """
    spans = zip("xyz", *region.box_mm, strict=True)
    box = ", ".join(f"{axis} {low:.0f} to {high:.0f}" for axis, low, high in spans)
    anatomy = f", mostly {region.anatomy}" if region.anatomy else ""
    return f"{describe_volume(region.volume_ml)} in the {region.part} part{anatomy}, {box} mm"


def describe_volume(millilitres: float) -> str:
    """Two digits and the unit: "0.51 ml", "27 ml"."""
    return f"{millilitres:.2g} ml" if millilitres < 10 else f"{millilitres:.0f} ml"


def _component(values: Map, limit: float) -> Mask | None:
    from scipy import ndimage

    above = values >= limit
    if not above.any():
        return None
    numbers, _ = ndimage.label(above, structure=np.ones((3, 3, 3)))
    peak = np.unravel_index(np.argmax(values), values.shape)
    return np.asarray(numbers == numbers[peak])


def _box(places: NDArray[np.float64], affine: Affine) -> tuple[Point, Point]:
    half = np.abs(affine[:3, :3]).sum(axis=1) / 2
    return _point(places.min(axis=0) - half), _point(places.max(axis=0) + half)


def _extent(body: Mask, affine: Affine) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lowest and highest x, y, z of the corners of the body's box of voxels; of the grid's
    where there is no body."""
    ends = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        there = np.flatnonzero(body.any(axis=others)) if body.any() else np.arange(body.shape[axis])
        ends.append((there[0], there[-1]))
    corners = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)
    places = corners @ affine[:3, :3].T + affine[:3, 3]
    return places.min(axis=0), places.max(axis=0)


def _sides(
    place: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[str, str, str]:
    """For x, y and z on which side of the body's middle a place lies, or "middle"."""
    offset = (place - low) / np.maximum(high - low, 1e-6) - 0.5
    x, y, z = (
        CENTRAL if abs(far) <= MIDDLE else ends[int(far > 0)]
        for far, ends in zip(offset, SIDES, strict=True)
    )
    return x, y, z


def _part_name(words: tuple[str, str, str]) -> str:
    return " ".join(word for word in words if word != CENTRAL) or CENTRAL


def _anatomy(inside: Mask, labels: NDArray[Any] | None, names: Mapping[int, str]) -> str:
    if labels is None:
        return ""
    found, counts = np.unique(labels[inside], return_counts=True)
    most = int(found[counts.argmax()])
    return names.get(most, "") if 2 * counts.max() > counts.sum() else ""


def _point(place: NDArray[np.float64]) -> Point:
    x, y, z = (float(number) for number in place)
    return x, y, z
