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

LEAST = 8  # voxels along the axis that k-space is made of
UNMOVED = (0.015, 0.12)  # of the lines on one side of the centre, from where on motion shows
MOST_DEGREES, MOST_MM = 7.0, 6.0  # of motion, at strength 1


def gibbs(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Only the inner lines of k-space are kept, down to a fifth, along one axis or more."""
    voxels, first = canvas.voxels, any_axis(canvas.shape, random, least=LEAST)
    chosen = {first} | {axis for axis in range(3) if random.uniform() < 0.5}
    for axis in sorted(chosen):
        length = voxels.shape[axis]
        lines = fft.rfft(voxels, axis=axis)
        kept = np.arange(lines.shape[axis]) <= (1 - 0.8 * strength) * length / 2
        voxels = fft.irfft(lines * along(kept, axis), length, axis=axis)
    return voxels


def ghosting(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Every second to fourth line is too weak or out of phase: displaced faint copies."""
    axis = any_axis(canvas.shape, random, least=LEAST)
    period = int(random.integers(2, 5))
    weak, turned = (0.8, 0.0) if random.uniform() < 0.5 else (0.0, 1.2)
    factor = (1 - weak * strength) * np.exp(1j * turned * strength * sign(random))
    hit = np.arange(canvas.shape[axis]) % period == period // 2
    factors = np.where(hit, factor, 1).astype(np.complex64)
    low, lines = _lines(canvas, canvas.voxels, axis)
    return _magnitude(lines * along(factors, axis), axis) + low


def motion(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Lines taken in two or three poses: up to 7 degrees and 6 mm apart."""
    axis = any_axis(canvas.shape, random, least=LEAST)
    length = canvas.shape[axis]
    order = fft.fftfreq(length)  # from the centre of k-space to its rim, both ways
    low, mixed = _lines(canvas, canvas.voxels, axis)
    for _ in range(int(random.integers(1, 3))):
        begin, share, side = random.uniform(*UNMOVED), random.uniform(0.2, 0.45), sign(random)
        hit = (side * order >= begin) & (side * order < begin + share)
        posed = _posed(canvas, strength, random)
        mixed = np.where(along(hit, axis), _lines(canvas, posed, axis)[1], mixed)
    return _magnitude(mixed, axis) + low


def spikes(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """One to three bad points of k-space: waves over everything, as in a herringbone."""
    found = canvas.voxels
    for _ in range(int(random.integers(1, 4))):
        share = 0.14 * strength * random.uniform(0.7, 1.3)
        wave = plane_wave(canvas.shape, random, period=random.uniform(2.2, 12))
        found = found + np.float32(share * canvas.contrast) * wave
    return found


def zipper(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Bright and dark dots in turn along a line, about 60 % of the contrast."""
    dots = np.abs(normal(patch.voxels.shape, random)) + np.float32(0.3)
    i, j, k = np.ix_(*(1 - 2 * (np.arange(n, dtype=np.float32) % 2) for n in dots.shape))
    return patch.voxels + np.float32(0.6 * strength * patch.canvas.contrast) * dots * (i * j * k)


def zipper_line(canvas: Canvas, random: np.random.Generator) -> Region:
    """A line of one or two voxels along a whole axis, through some or all slices."""
    axis = any_axis(canvas.shape, random, least=LEAST)
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
    """The scan, turned and moved a little as a rigid body."""
    spacing = np.array(canvas.spacing)
    a, b, c = np.deg2rad(random.uniform(-1, 1, 3) * MOST_DEGREES * strength)
    small = np.array([[1, -c, b], [c, 1, -a], [-b, a, 1]])
    left, _, right = np.linalg.svd(small)  # the nearest rotation to a sum of small ones
    matrix = (left @ right) * spacing / spacing[:, None]
    middle = (np.array(canvas.shape) - 1) / 2
    moved = random.uniform(-1, 1, 3) * MOST_MM * strength / spacing
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
    global_family("gibbs", "kspace", "a scan with ringing edges", gibbs, modalities=MR),
    global_family("ghosting", "kspace", "a scan with displaced copies", ghosting, modalities=MR),
    global_family("motion", "kspace", "a scan of a patient who moved", motion, modalities=MR),
    global_family("spikes", "kspace", "a scan under a herringbone", spikes, modalities=MR),
)
