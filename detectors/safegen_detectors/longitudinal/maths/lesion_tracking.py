"""Matches the lesions of two scans: which persist, vanish, appear, split or merge.

Lesions are the connected components of a mask, as points in mm of one common world.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from safegen_detectors.longitudinal.inputs.geometry import transform_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_safegen.api import Affine, BoolArray

MIN_LESION_VOXELS = 3
TOUCHING_DISTANCE = 3.0  # mm between two parts that are one lesion, registration included
MAX_LESIONS = 200  # the largest are matched where there are more


@dataclass(frozen=True, slots=True)
class Lesion:
    """One lesion: its points (n, 3) in mm and its volume in ml."""

    points: NDArray[np.float64]
    ml: float

    @property
    def centre(self) -> NDArray[np.float64]:
        """The mean of the points in mm, (3,)."""
        return np.asarray(self.points.mean(axis=0), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class LesionMatches:
    """Positions of lesions in the earlier and the later scan.

    `matched` are pairs (earlier, later): an earlier lesion that split is in several, and so is a
    later one where some merged. `vanished` are of the earlier scan, `new` of the later one.
    """

    matched: tuple[tuple[int, int], ...]
    vanished: tuple[int, ...]
    new: tuple[int, ...]


def find_lesions(mask: BoolArray, affine: Affine) -> list[Lesion]:
    """The connected parts (26 neighbours) of at least 3 voxels, the largest first."""
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    voxel = abs(float(np.linalg.det(affine[:3, :3]))) / 1000.0
    sizes = np.bincount(labels.ravel())[1:]
    boxes = ndimage.find_objects(labels)
    largest = np.argsort(-sizes, kind="stable")[:MAX_LESIONS]
    found = []
    for number in largest[sizes[largest] >= MIN_LESION_VOXELS]:
        box = boxes[number]
        index = np.argwhere(labels[box] == number + 1) + [part.start for part in box]
        points = transform_points(index.astype(np.float64), affine)
        found.append(Lesion(points, float(sizes[number]) * voxel))
    return found


def track_lesions(
    earlier: Sequence[Lesion], later: Sequence[Lesion], *, reach: float
) -> LesionMatches:
    """Parts that touch belong together; the rest one to one, nearest centres within `reach` mm."""
    touching = [
        (a, b)
        for a, one in enumerate(earlier)
        for b, other in enumerate(later)
        if _distance_between(one, other) <= TOUCHING_DISTANCE
    ]
    alone_a = sorted(set(range(len(earlier))) - {a for a, _ in touching})
    alone_b = sorted(set(range(len(later))) - {b for _, b in touching})
    nearby = _match_nearest([earlier[a] for a in alone_a], [later[b] for b in alone_b], reach=reach)
    matched = touching + [(alone_a[a], alone_b[b]) for a, b in nearby]
    return LesionMatches(
        tuple(matched),
        tuple(a for a in alone_a if a not in {pair[0] for pair in matched}),
        tuple(b for b in alone_b if b not in {pair[1] for pair in matched}),
    )


def farthest_move(
    earlier: Sequence[Lesion],
    later: Sequence[Lesion],
    matches: LesionMatches,
    *,
    volume_factor: float,
) -> float:
    """The farthest mm between a lesion that vanished and a new one of its volume; 0 for none.

    Two volumes are the same within the factor `volume_factor`.
    """
    distances = [
        float(np.linalg.norm(earlier[a].centre - later[b].centre))
        for a in matches.vanished
        for b in matches.new
        if 1 / volume_factor <= later[b].ml / earlier[a].ml <= volume_factor
    ]
    return max(distances, default=0.0)


def elongation(part: Lesion, *, spacing: float) -> float | None:
    """The longest over the shortest of a lesion's principal axes, 1 for a ball.

    None of what is less than two of its thickest voxels (`spacing` mm) thick: it has no shape.
    """
    spreads = np.linalg.eigvalsh(np.cov(part.points.T))
    if np.sqrt(12 * max(spreads[0], 0.0)) < 2 * spacing:
        return None
    return float(np.sqrt(spreads[-1] / spreads[0]))


def share_outside(earlier: Lesion, later: Lesion, *, margin: float) -> float:
    """Share of the earlier lesion that lies farther than `margin` mm outside the later one."""
    distances, _ = cKDTree(later.points).query(earlier.points)
    return float((distances > margin).mean())


def _distance_between(one: Lesion, other: Lesion) -> float:
    if _boxes_apart(one, other):
        return np.inf
    small, large = sorted((one, other), key=lambda part: len(part.points))
    distances, _ = cKDTree(large.points).query(
        small.points, distance_upper_bound=2 * TOUCHING_DISTANCE
    )
    return float(distances.min())


def _boxes_apart(one: Lesion, other: Lesion) -> bool:
    """True where the boxes around two parts are farther apart than parts that touch."""
    apart = np.maximum(
        one.points.min(axis=0) - other.points.max(axis=0),
        other.points.min(axis=0) - one.points.max(axis=0),
    )
    return bool(apart.max() > TOUCHING_DISTANCE)


def _match_nearest(
    earlier: Sequence[Lesion], later: Sequence[Lesion], *, reach: float
) -> list[tuple[int, int]]:
    """One to one with the least sum of distances (Hungarian method); `reach` is in mm."""
    if not earlier or not later:
        return []
    distances = np.array(
        [[float(np.linalg.norm(a.centre - b.centre)) for b in later] for a in earlier]
    )
    rows, columns = linear_sum_assignment(np.minimum(distances, 2 * reach))
    return [
        (int(a), int(b)) for a, b in zip(rows, columns, strict=True) if distances[a, b] <= reach
    ]
