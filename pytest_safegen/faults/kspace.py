"""Faults of MR acquisition, as they arise in k-space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from pytest_safegen.faults.axes import any_axis
from pytest_safegen.faults.fields import along, normal, plane_wave, sign
from pytest_safegen.faults.model import Canvas, Family, FloatArray
from pytest_safegen.faults.planting import MR, global_family, local_family
from pytest_safegen.faults.regions import MARGIN, Patch, Region, random_voxel

MIN_VOXELS = 8  # voxels along the axis that k-space is made of
MOTION_START = (0.015, 0.12)  # of the lines on one side of the centre
MAX_DEGREES, MAX_MM = 7.0, 6.0  # of motion, at strength 1


def gibbs(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """K-space truncated to its inner lines, down to a fifth, along one axis or more."""
    voxels, first = canvas.voxels, any_axis(canvas.shape, random, min_voxels=MIN_VOXELS)
    chosen = {first} | {axis for axis in range(3) if random.uniform() < 0.5}
    for axis in sorted(chosen):
        length = voxels.shape[axis]
        lines = fft.rfft(voxels, axis=axis)
        inner = np.arange(lines.shape[axis]) <= (1 - 0.8 * strength) * length / 2
        voxels = fft.irfft(lines * along(inner, axis), length, axis=axis)
    return voxels


def ghosting(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Every second to fourth line of k-space weakened or out of phase: faint shifted copies."""
    axis = any_axis(canvas.shape, random, min_voxels=MIN_VOXELS)
    period = int(random.integers(2, 5))
    loss, phase = (0.8, 0.0) if random.uniform() < 0.5 else (0.0, 1.2)
    factor = (1 - loss * strength) * np.exp(1j * phase * strength * sign(random))
    affected = np.arange(canvas.shape[axis]) % period == period // 2
    factors = np.where(affected, factor, 1).astype(np.complex64)
    low, lines = _lines(canvas, canvas.voxels, axis)
    return _magnitude(lines * along(factors, axis), axis) + low


def motion(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Lines of k-space acquired in two or three poses, up to 7 degrees and 6 mm apart."""
    axis = any_axis(canvas.shape, random, min_voxels=MIN_VOXELS)
    length = canvas.shape[axis]
    frequency = fft.fftfreq(length)
    low, mixed = _lines(canvas, canvas.voxels, axis)
    for _ in range(int(random.integers(1, 3))):
        begin, share, side = random.uniform(*MOTION_START), random.uniform(0.2, 0.45), sign(random)
        affected = (side * frequency >= begin) & (side * frequency < begin + share)
        posed = _posed(canvas, strength, random)
        mixed = np.where(along(affected, axis), _lines(canvas, posed, axis)[1], mixed)
    return _magnitude(mixed, axis) + low


def spikes(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """One to three corrupt points of k-space: waves across the scan, a herringbone pattern."""
    found = canvas.voxels
    for _ in range(int(random.integers(1, 4))):
        share = 0.14 * strength * random.uniform(0.7, 1.3)
        wave = plane_wave(canvas.shape, random, period=random.uniform(2.2, 12))
        found = found + np.float32(share * canvas.contrast) * wave
    return found


def zipper(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Alternating bright and dark dots along a line, about 60 % of the contrast."""
    dots = np.abs(normal(patch.voxels.shape, random)) + np.float32(0.3)
    i, j, k = np.ix_(*(1 - 2 * (np.arange(n, dtype=np.float32) % 2) for n in dots.shape))
    return patch.voxels + np.float32(0.6 * strength * patch.canvas.contrast) * dots * (i * j * k)


def zipper_line(canvas: Canvas, random: np.random.Generator) -> Region:
    """A line of one or two voxels along a whole axis, through some or all slices."""
    axis = any_axis(canvas.shape, random, min_voxels=MIN_VOXELS)
    across, slices = random.permutation([own for own in range(3) if own != axis])
    place = random_voxel(canvas, random)
    half = {int(across): random.uniform(0.5, 1.0), int(slices): random.uniform(1, 30), axis: 1e6}
    away = [np.abs(np.arange(n) - place[own]) / half[own] for own, n in enumerate(canvas.shape)]
    low = [max(int(np.argmax(d <= 1)) - MARGIN, 0) for d in away]
    high = [min(int(np.flatnonzero(d <= 1)[-1]) + 1 + MARGIN, d.size) for d in away]
    i, j, k = (slice(a, b) for a, b in zip(low, high, strict=True))
    x, y, z = np.ix_(*(d[a:b].astype(np.float32) for d, a, b in zip(away, low, high, strict=True)))
    gauge = np.maximum(np.maximum(x, y), z)
    weight = (gauge <= 1).astype(np.float32)
    return Region((i, j, k), weight, gauge, place - np.array(low), half[int(across)])


def _posed(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """The scan after a small rigid movement."""
    spacing = np.array(canvas.spacing)
    a, b, c = np.deg2rad(random.uniform(-1, 1, 3) * MAX_DEGREES * strength)
    small = np.array([[1, -c, b], [c, 1, -a], [-b, a, 1]])
    left, _, right = np.linalg.svd(small)  # the nearest rotation to a sum of small ones
    matrix = (left @ right) * spacing / spacing[:, None]
    middle = (np.array(canvas.shape) - 1) / 2
    moved = random.uniform(-1, 1, 3) * MAX_MM * strength / spacing
    offset = middle - matrix @ middle + np.where(np.array(canvas.shape) > 1, moved, 0)
    return np.asarray(
        ndimage.affine_transform(canvas.voxels, matrix, offset, order=1, mode="nearest")
    )


def _lines(
    canvas: Canvas, voxels: FloatArray, axis: int
) -> tuple[np.float32, NDArray[np.complex64]]:
    """K-space along one axis of what is above the lowest value, and that value."""
    low = np.float32(canvas.voxels.min())
    return low, np.asarray(fft.fft(voxels - low, axis=axis))


def _magnitude(lines: NDArray[np.complex64], axis: int) -> FloatArray:
    return np.asarray(np.abs(fft.ifft(lines, axis=axis)), dtype=np.float32)


FAMILIES: tuple[Family, ...] = (
    local_family("zipper", "kspace", "a zipper line", zipper, modalities=MR, region=zipper_line),
    global_family("gibbs", "kspace", "a scan with Gibbs ringing", gibbs, modalities=MR),
    global_family("ghosting", "kspace", "a scan with ghosting", ghosting, modalities=MR),
    global_family("motion", "kspace", "a scan with motion artefacts", motion, modalities=MR),
    global_family("spikes", "kspace", "a scan with a herringbone pattern", spikes, modalities=MR),
)
