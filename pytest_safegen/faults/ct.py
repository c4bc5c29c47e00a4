"""Faults of CT: rings, streaks, metal, and a wrong scale of Hounsfield units.

The scanner is taken to turn about the last axis, k.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from pytest_safegen.faults.fields import normal, sign, smooth
from pytest_safegen.faults.model import Canvas, Family, FloatArray, Vector
from pytest_safegen.faults.planting import CT, global_family, local_family
from pytest_safegen.faults.regions import (
    Patch,
    Region,
    box_around,
    mm_from,
    random_region,
    random_voxel,
)

OFF_CENTRE = 0.05  # of the field of view: how far the axis may lie from its middle


def arc(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """A piece of a ring about the axis, up to 35 % of the contrast brighter or darker."""
    return patch.voxels + np.float32(0.35 * strength * sign(random) * patch.canvas.contrast)


def arc_region(canvas: Canvas, random: np.random.Generator) -> Region:
    """A piece of a ring about the axis, through a place of the body, some slices high."""
    place = random_voxel(canvas, random)
    axis = _axis(canvas, random)
    away = (place - axis)[:2] * canvas.spacing[:2]
    radius = max(float(np.hypot(*away)), 3 * canvas.spacing[0])
    width = random.uniform(0.7, 1.6) * max(canvas.spacing[:2])
    height = random.uniform(0.6, 4) * canvas.spacing[2]
    angle = random.uniform(0.4, np.pi)
    box = box_around(canvas, axis, np.array([radius + width, radius + width, 1e6]))
    x, y, z = mm_from(canvas, box, np.array([axis[0], axis[1], place[2]]))
    turn = np.abs(np.angle(np.exp(1j * (np.arctan2(y, x) - np.arctan2(away[1], away[0])))))
    along = 1 + (turn - angle) * radius / (2 * width)
    far = np.maximum(np.abs(np.hypot(x, y) - radius) / width, along)
    gauge = np.maximum(far, np.abs(z) / height).astype(np.float32)
    inner = place - np.array([side.start for side in box])
    return Region(box, np.clip(2.5 - 2 * gauge, 0, 1), gauge, inner, radius)


def streak_region(canvas: Canvas, random: np.random.Generator) -> Region:
    """A flat disc across the axis, 15 to 45 mm in radius, of a few slices."""
    place = random_voxel(canvas, random)
    radius, height = random.uniform(15, 45), random.uniform(0.6, 3) * canvas.spacing[2]
    box = box_around(canvas, place, np.array([radius, radius, height]))
    x, y, z = mm_from(canvas, box, place)
    gauge = np.maximum(np.hypot(x, y) / np.float32(radius), np.abs(z) / np.float32(height))
    weight = (gauge <= 1).astype(np.float32)
    inner = place - np.array([side.start for side in box])
    return Region(box, weight, gauge.astype(np.float32), inner, radius)


def metal_streaks(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """A bright dot with bright and dark rays, up to 25 % each, which fade away from it."""
    region, contrast = patch.region, patch.canvas.contrast
    x, y, _ = mm_from(patch.canvas, region.box, region.centre + np.array(patch.offset))
    distance, angle = np.hypot(x, y), np.arctan2(y, x)
    rays: FloatArray = np.zeros_like(angle)
    for rate in random.integers(3, 16, 5):
        rays += np.cos(rate * angle + random.uniform(0, 2 * np.pi)).astype(np.float32)
    fading = np.clip(1.2 - distance / np.float32(region.radius), 0, 1)
    size = random.uniform(1.0, 2.5) * max(patch.canvas.spacing[:2])
    change = np.float32(0.25 * strength * contrast) * rays * fading
    dot = patch.canvas.floor + (1 + strength) * contrast
    return np.where(distance <= size, np.float32(dot), patch.voxels + change).astype(np.float32)


def metal(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """A dot of up to three times the contrast within a dark rim."""
    gauge, contrast = patch.region.gauge, np.float32(patch.canvas.contrast)
    bright = np.float32(patch.canvas.floor) + contrast * np.float32(1 + 2 * strength)
    dimmed = patch.voxels - np.float32(0.5 * strength) * patch.above
    inner = patch.voxels + np.float32(strength) * (bright - patch.voxels)
    return np.where(gauge < 0.75, inner, dimmed)


def rings(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Rings about the axis through all slices, of 20 % of the contrast (standard deviation)."""
    x, y = _plane(canvas, random)
    index = np.minimum(np.hypot(x, y) / min(canvas.spacing[:2]), 10_000).astype(int)[:, :, 0]
    values = random.normal(size=int(index.max()) + 1) * (random.random(int(index.max()) + 1) < 0.3)
    change = (0.2 * strength * canvas.contrast * np.clip(values, -2, 2)).astype(np.float32)[index]
    height = smooth((1, 1, canvas.shape[2]), random, cells=4)
    strong = np.clip(0.8 + 0.3 * height, 0, 1.5)
    return np.asarray(canvas.voxels + change[:, :, None] * strong, dtype=np.float32)


def streaks(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Parallel streaks of photon starvation, 12 % of the contrast (standard deviation)."""
    angle = random.uniform(0, np.pi)
    x, y = _plane(canvas, random)
    across = (x * np.cos(angle) + y * np.sin(angle)) / min(canvas.spacing[:2])
    index = np.round(across - across.min()).astype(int)[:, :, 0]
    lines = normal((int(index.max()) + 1, canvas.shape[2]), random)
    change = np.float32(0.12 * strength * canvas.contrast) * lines[index]
    return np.where(canvas.body, canvas.voxels + change, canvas.voxels)


def cupping(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """The middle of the body up to 35 % darker than its rim, as beam hardening leaves it."""
    x, y = _plane(canvas, random)
    reach = 0.4 * max(n * s for n, s in zip(canvas.shape[:2], canvas.spacing[:2], strict=True))
    cup = np.clip(1 - (x * x + y * y) / np.float32(reach**2), 0, 1)
    above = canvas.voxels - np.float32(canvas.floor)
    return canvas.voxels - np.float32(0.35 * strength) * cup.astype(np.float32) * above


def wrong_scale(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """All values too high by up to 80 % of the contrast, or too small by up to 60 %."""
    if random.uniform() < 0.5:
        return canvas.voxels + np.float32(0.8 * strength * canvas.contrast)
    above = canvas.voxels - np.float32(canvas.floor)
    return canvas.voxels - np.float32(0.6 * strength) * above


def _axis(canvas: Canvas, random: np.random.Generator) -> Vector:
    """Where the scanner's axis crosses the planes, as a voxel (3,)."""
    size = np.array(canvas.shape, dtype=np.float64)
    wander = random.uniform(-OFF_CENTRE, OFF_CENTRE, 3)
    return (size - 1) / 2 + wander * size


def _plane(canvas: Canvas, random: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Distances from the scanner's axis along i and j in mm, as open axes."""
    i, j, k = (slice(0, n) for n in canvas.shape)
    x, y, _ = mm_from(canvas, (i, j, k), _axis(canvas, random))
    return x, y


_small = partial(random_region, factor=0.6, edge=1.0)

FAMILIES: tuple[Family, ...] = (
    local_family("ring-arc", "ct", "a piece of a ring", arc, modalities=CT, region=arc_region),
    local_family(
        "metal-streaks",
        "ct",
        "streaks from a bright dot",
        metal_streaks,
        modalities=CT,
        region=streak_region,
    ),
    local_family("metal-dot", "ct", "a metal dot", metal, modalities=CT, region=_small),
    global_family("rings", "ct", "a scan with rings", rings, modalities=CT),
    global_family("streaks", "ct", "a scan with streaks", streaks, modalities=CT),
    global_family("cupping", "ct", "a scan with cupping", cupping, modalities=CT),
    global_family(
        "wrong-hounsfield", "ct", "a scan with wrong Hounsfield units", wrong_scale, modalities=CT
    ),
)
