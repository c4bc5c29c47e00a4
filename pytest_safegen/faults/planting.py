"""Plants the effect of a fault where it is visible, and outlines it.

An effect of a local family gets a patch, a strength and random numbers, and returns the voxels
of the patch's box as they would be if the fault were everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy import ndimage

from pytest_safegen.faults.model import (
    VISIBLE,
    BoolArray,
    Canvas,
    Family,
    FloatArray,
    Plant,
    Planted,
)
from pytest_safegen.faults.regions import Patch, Region, random_region

Effect = Callable[[Patch, float, np.random.Generator], FloatArray]
GlobalEffect = Callable[[Canvas, float, np.random.Generator], FloatArray]
RegionMaker = Callable[[Canvas, np.random.Generator], Region]

MAX_TRIES = 6
MIN_CHANGED_VOXELS = 30  # voxels; below, the fault lies in blank air, and another place is tried
CLOSING = 2  # voxels; gaps of this size within a fault belong to it

MR, CT = frozenset({"mr"}), frozenset({"ct"})
BOTH = MR | CT


def local_family(
    name: str,
    group: str,
    description: str,
    effect: Effect,
    *,
    modalities: frozenset[str] = BOTH,
    region: RegionMaker = random_region,
    blend: bool = True,
) -> Family:
    """A family of local faults; with `blend` the effect is mixed in by the region's soft edge."""
    plant: Plant = partial(plant_locally, effect=effect, region=region, blend=blend)
    return Family(name, group, True, modalities, description, plant)


def global_family(
    name: str,
    group: str,
    description: str,
    effect: GlobalEffect,
    *,
    modalities: frozenset[str] = BOTH,
) -> Family:
    """A family of faults of the whole scan."""
    return Family(
        name, group, False, modalities, description, partial(plant_globally, effect=effect)
    )


def plant_globally(
    canvas: Canvas, strength: float, random: np.random.Generator, *, effect: GlobalEffect
) -> Planted:
    """The whole scan under an effect."""
    return Planted(np.ascontiguousarray(effect(canvas, strength, random), dtype=np.float32))


def plant_locally(
    canvas: Canvas,
    strength: float,
    random: np.random.Generator,
    *,
    effect: Effect,
    region: RegionMaker = random_region,
    blend: bool = True,
) -> Planted:
    """An effect in a region where it shows; the most visible of a few tries if it hardly does."""
    best: tuple[int, Patch, FloatArray, BoolArray] | None = None
    for _ in range(MAX_TRIES):
        patch = Patch(canvas, region(canvas, random))
        changed = _blended(patch, effect(patch, strength, random), blend=blend)
        mask, visible = _where_visible(patch, changed)
        if best is None or visible > best[0]:
            best = visible, patch, changed, mask
        if visible >= MIN_CHANGED_VOXELS:
            break
    assert best is not None  # noqa: S101  there is at least one try
    _, patch, changed, mask = best
    return _pasted(patch, changed, mask)


def _blended(patch: Patch, effect: FloatArray, *, blend: bool) -> FloatArray:
    weight = patch.region.weight
    if not blend:
        return np.where(weight > 0, effect, patch.voxels)
    return np.asarray(patch.voxels + weight * (effect - patch.voxels), dtype=np.float32)


def _where_visible(patch: Patch, changed: FloatArray) -> tuple[BoolArray, int]:
    """The visibly changed voxels of the region, made solid, and how many there were before."""
    inside = patch.region.inside
    visible = np.abs(changed - patch.voxels) >= VISIBLE * patch.canvas.contrast
    visible &= inside
    return closed(visible) & inside, int(np.count_nonzero(visible))


def closed(mask: BoolArray, steps: int = CLOSING) -> BoolArray:
    """The mask (i, j, k) with its gaps of a few voxels filled."""
    wide = np.pad(mask, steps)
    wide = ndimage.binary_closing(wide, iterations=steps)
    return np.asarray(wide[(slice(steps, -steps),) * 3])


def _pasted(patch: Patch, changed: FloatArray, mask: BoolArray) -> Planted:
    voxels = patch.canvas.voxels.copy()
    voxels[patch.region.box] = changed
    where = np.zeros(voxels.shape, dtype=bool)
    where[patch.region.box] = mask
    return Planted(voxels, where)
