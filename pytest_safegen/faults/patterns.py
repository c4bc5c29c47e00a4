"""Regular patterns: checkerboards, waves, grids and the seams of patches."""

from __future__ import annotations

import numpy as np

from pytest_safegen.faults.axes import any_axis
from pytest_safegen.faults.fields import along, plane_wave
from pytest_safegen.faults.model import Canvas, Family, FloatArray
from pytest_safegen.faults.planting import global_family, local_family
from pytest_safegen.faults.regions import Patch

AMPLITUDE = (0.02, 0.18)  # of the contrast: at strength 0, and what strength 1 adds


def checkerboard_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Alternating voxels up to 20 % brighter and darker, as after transposed convolutions."""
    return patch.voxels + _amplitude(patch, strength, random) * _checkerboard(patch.voxels.shape)


def wave_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """A wave of 2.5 to 8 voxels in any direction, with an amplitude of up to 20 %."""
    wave = plane_wave(patch.voxels.shape, random, period=random.uniform(2.5, 8))
    return patch.voxels + _amplitude(patch, strength, random) * wave


def grid_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Lines of a grid, every 2 to 8 voxels along each axis, up to 20 % brighter."""
    period, phase = int(random.integers(2, 9)), int(random.integers(8))
    places = np.ogrid[tuple(slice(phase, phase + n) for n in patch.voxels.shape)]
    i, j, k = (place % period == 0 for place in places)
    rise = np.where(i | j | k, np.float32(1), np.float32(-0.5))
    return patch.voxels + _amplitude(patch, strength, random) * rise


def stripes_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Stripes across one axis, 1 to 3 voxels wide, up to 20 % brighter or darker."""
    axis = any_axis(patch.voxels.shape, random)
    width = int(random.integers(1, 4))
    step = 1 - 2 * ((np.arange(patch.voxels.shape[axis]) // width) % 2)
    stripes = along(step.astype(np.float32), axis)
    return patch.voxels + _amplitude(patch, strength, random) * stripes


def checkerboard(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """Alternating voxels of the whole scan up to 15 % brighter and darker."""
    above = canvas.voxels - np.float32(canvas.floor)
    return canvas.voxels + np.float32(0.15 * strength) * _checkerboard(canvas.shape) * above


def patch_seams(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """The scan assembled from blocks whose gain differs by up to 20 % (standard deviation)."""
    longest = max(canvas.shape)
    size = int(random.integers(max(longest // 12, 3), max(longest // 3, 4) + 1))
    phases = random.integers(0, size, 3)
    index = [(np.arange(n) + p) // size for n, p in zip(canvas.shape, phases, strict=True)]
    count = [int(own[-1]) + 1 for own in index]
    gains = np.clip(random.normal(0, 0.2, count), -0.5, 0.5).astype(np.float32)[np.ix_(*index)]
    above = canvas.voxels - np.float32(canvas.floor)
    return canvas.voxels + np.float32(strength) * gains * above


def _checkerboard(shape: tuple[int, ...]) -> FloatArray:
    """-1 and 1 in turn along each axis."""
    i, j, k = np.ix_(*(1 - 2 * (np.arange(n, dtype=np.float32) % 2) for n in shape))
    return np.asarray(i * j * k)


def _amplitude(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """How strong a pattern is at each voxel: everywhere alike, or in proportion to the tissue."""
    share = np.float32(AMPLITUDE[0] + AMPLITUDE[1] * strength)
    if random.uniform() < 0.5:
        return share * patch.above
    return np.full(patch.voxels.shape, share * np.float32(patch.canvas.contrast))


FAMILIES: tuple[Family, ...] = (
    local_family("checkerboard-patch", "pattern", "a checkerboard", checkerboard_patch),
    local_family("wave-patch", "pattern", "a wave pattern", wave_patch),
    local_family("grid-patch", "pattern", "a grid of lines", grid_patch),
    local_family("stripes-patch", "pattern", "stripes", stripes_patch),
    global_family("checkerboard", "pattern", "a scan with a checkerboard pattern", checkerboard),
    global_family("patch-seams", "pattern", "a scan assembled from blocks", patch_seams),
)
