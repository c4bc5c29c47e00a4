"""Tissue that is missing: blank, flat, or smoothed over."""

from __future__ import annotations

import numpy as np

from pytest_safegen.faults.fields import rotation
from pytest_safegen.faults.membrane import membrane
from pytest_safegen.faults.model import Canvas, Family, FloatArray
from pytest_safegen.faults.planting import local_family
from pytest_safegen.faults.regions import Patch, Region, random_region

CRACK_VOXELS = (0.8, 1.8)  # half of a crack's width


def dropped(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """Tissue that fades into the background."""
    return patch.voxels - np.float32(strength) * patch.above


def flat(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """Tissue replaced by its own mean."""
    mean = patch.voxels[patch.region.inside].mean() if patch.region.inside.any() else 0.0
    return patch.voxels + np.float32(strength) * (np.float32(mean) - patch.voxels)


def inpainted(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """Tissue replaced by a smooth interpolation from its border, without structure."""
    filled = membrane(patch.voxels, patch.region.weight <= 0)
    return patch.voxels + np.float32(strength) * (filled - patch.voxels)


def crack_region(canvas: Canvas, random: np.random.Generator) -> Region:
    """A thin sheet, a little curved, through a region."""
    around = random_region(canvas, random, edge=1.0)
    x, y, z = _from_centre(around)
    normal, tangent, _ = rotation(random).astype(np.float32)
    away = normal[0] * x + normal[1] * y + normal[2] * z
    sideways = tangent[0] * x + tangent[1] * y + tangent[2] * z
    bend = np.float32(random.uniform(-0.3, 0.3) / max(around.gauge.shape))
    distance = np.abs(away + bend * sideways**2)
    sheet = np.clip(np.float32(random.uniform(*CRACK_VOXELS)) - distance + 0.5, 0, 1)
    weight = np.asarray(sheet * around.weight, dtype=np.float32)
    return Region(around.box, weight, around.gauge, around.centre, around.radius)


def _from_centre(region: Region) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Distances from the region's centre in voxels, as open axes."""
    steps = [
        np.arange(n, dtype=np.float32) - np.float32(c)
        for n, c in zip(region.gauge.shape, region.centre, strict=True)
    ]
    x, y, z = np.ix_(*steps)
    return x, y, z


FAMILIES: tuple[Family, ...] = (
    local_family("dropout", "dropout", "missing tissue", dropped),
    local_family("flat-fill", "dropout", "a patch without texture", flat),
    local_family("inpainted", "dropout", "structure that was smoothed away", inpainted),
    local_family("crack", "dropout", "a dark crack", dropped, region=crack_region),
)
