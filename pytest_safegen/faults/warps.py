"""Tissue that is bent or moved within a place, and seams where two sides do not meet."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy import ndimage

from pytest_safegen.faults.fields import rotation, sign, smooth
from pytest_safegen.faults.model import Family, FloatArray
from pytest_safegen.faults.planting import local_family
from pytest_safegen.faults.regions import Patch, mm_from, random_region

Vectors = Sequence[FloatArray]


def bulge(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Tissue expanded or contracted about the centre."""
    share = np.float32(0.7 * strength * sign(random)) * _taper(patch)
    return _moved(patch, [-share * offset for offset in _offsets(patch)])


def swirl(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Tissue rotated about an axis through the centre, by up to 2.5 radians in the middle."""
    angle = np.float32(2.5 * strength * sign(random)) * _taper(patch)
    turn = rotation(random).astype(np.float32)
    offsets = _offsets(patch)
    u, v = (sum(row[n] * offsets[n] for n in range(3)) for row in turn[:2])
    du = (np.cos(angle) - 1) * u - np.sin(angle) * v
    dv = np.sin(angle) * u + (np.cos(angle) - 1) * v
    return _moved(patch, [turn[0, n] * du + turn[1, n] * dv for n in range(3)])


def shifted(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Tissue displaced by up to 60 % of its radius, with a torn border."""
    plateau = np.clip(3 * (1 - patch.region.gauge), 0, 1)
    displacement = 0.6 * strength * patch.region.radius * rotation(random)[0]
    return _moved(patch, [np.float32(step) * plateau for step in displacement])


def crumple(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Tissue displaced in small waves, by up to 30 % of the radius."""
    shape, reach = patch.voxels.shape, np.float32(0.3 * strength * patch.region.radius)
    cells, taper = random.uniform(3, 6), _taper(patch)
    return _moved(patch, [reach * taper * smooth(shape, random, cells=cells) for _ in range(3)])


def seam_shift(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """A plane along which the two sides are displaced, by up to 40 % of the radius."""
    turn = rotation(random).astype(np.float32)
    step = np.float32(0.2 * strength * patch.region.radius) * _side(patch, turn[0])
    step = step * np.clip(2 * (1 - patch.region.gauge), 0, 1)
    return _moved(patch, [turn[1, n] * step for n in range(3)])


def seam_gain(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """A plane where the gain jumps by up to 60 %, fading with distance."""
    step = _side(patch, rotation(random)[0].astype(np.float32))
    step = step * np.clip(2 * (1 - patch.region.gauge), 0, 1)
    return patch.voxels + np.float32(0.3 * strength) * step * patch.above


def _taper(patch: Patch) -> FloatArray:
    """1 in the middle of the region, 0 from its surface on, smooth between."""
    return np.asarray(np.clip(1 - patch.region.gauge**2, 0, 1) ** 2)


def _offsets(patch: Patch) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Distances from the centre of the region in mm, as open axes."""
    middle = patch.region.centre + np.array(patch.offset)
    return mm_from(patch.canvas, patch.region.box, middle)


def _side(patch: Patch, normal: FloatArray) -> FloatArray:
    """1 on one side of a plane through the centre, -1 on the other."""
    x, y, z = _offsets(patch)
    away = normal[0] * x + normal[1] * y + normal[2] * z
    return np.where(away >= 0, np.float32(1), np.float32(-1))


def _moved(patch: Patch, vectors: Vectors) -> FloatArray:
    """The box read `vectors` (mm, one array an axis) away from each voxel, by cubic splines."""
    voxels = patch.voxels
    places = np.indices(voxels.shape, dtype=np.float32)
    for axis, (vector, step) in enumerate(zip(vectors, patch.canvas.spacing, strict=True)):
        if voxels.shape[axis] > 1:
            places[axis] += vector / np.float32(step)
    found = ndimage.map_coordinates(voxels, places, order=3, mode="nearest")
    return np.asarray(np.clip(found, voxels.min(), voxels.max()))


_wide = partial(random_region, factor=1.25)

FAMILIES: tuple[Family, ...] = (
    local_family(
        "bulge", "warp", "tissue expanded or contracted", bulge, blend=False, region=_wide
    ),
    local_family("swirl", "warp", "tissue twisted about a point", swirl, blend=False, region=_wide),
    local_family("shifted-patch", "warp", "displaced tissue", shifted, blend=False),
    local_family("crumple", "warp", "crumpled tissue", crumple, blend=False, region=_wide),
    local_family(
        "seam-shift",
        "seam",
        "a seam with displaced sides",
        seam_shift,
        blend=False,
        region=_wide,
    ),
    local_family(
        "seam-gain", "seam", "a seam of different brightness", seam_gain, blend=False, region=_wide
    ),
)
