"""Copies in another place or shape: turned, mirrored, scaled, moved, warped, cropped, resampled."""

# ruff: noqa: ARG001  every disturbance has the same form

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.copies import moved, rotation
from benchmarks.memorization.copy_sources import CopySources, Planted
from benchmarks.memorization.intensities import Random, unmasked, with_noise
from benchmarks.scans import Volume, tissue, with_voxels
from pytest_safegen import Scan
from pytest_safegen.api import spacing_of

Matrix = NDArray[np.float64]


def mirrored(sources: CopySources, random: Random, strength: int) -> Planted:
    """Left and right exchanged; then front and back; then top and bottom."""
    return Planted(with_voxels(unmasked(sources.source), np.flip(sources.source.voxels, strength)))


def mirrored_noisy(sources: CopySources, random: Random, strength: int) -> Planted:
    """Left and right exchanged, turned by 3, 6 and 10 degrees, and 5 % noise."""
    flipped = with_voxels(unmasked(sources.source), np.flip(sources.source.voxels, 0))
    turn = turn_of(flipped, random, degrees=(3.0, 6.0, 10.0)[strength])
    return Planted(with_noise(moved(flipped, turn), random, 0.05))


def quarter_turn(sources: CopySources, random: Random, strength: int) -> Planted:
    """Turned by 90 degrees about one axis, 180 about one, 90 about two."""
    axes = [(0, 1), (0, 2), (1, 2)]
    first, second = (axes[n] for n in random.permutation(3)[:2])
    values = np.rot90(sources.source.voxels, (1, 2, 1)[strength], first)
    values = np.rot90(values, 1, second) if strength == 2 else values
    step = spacing_of(sources.source.affine)
    affine = np.diag([*np.full(3, step.mean()), 1.0])
    affine[:3, 3] = -step.mean() * (np.array(values.shape) - 1) / 2
    return Planted(with_voxels(replace(unmasked(sources.source), affine=affine), values))


def turned(sources: CopySources, random: Random, strength: int) -> Planted:
    """Turned by 5, 10 and 15 degrees about a random axis."""
    turn = turn_of(sources.source, random, degrees=(5.0, 10.0, 15.0)[strength])
    return Planted(moved(sources.source, turn))


def turned_scaled(sources: CopySources, random: Random, strength: int) -> Planted:
    """Turned by 5, 10 and 15 degrees, and 2, 4 and 6 % larger or smaller."""
    scale = (1.02, 1.04, 1.06)[strength] ** random.choice([-1, 1])
    turn = turn_of(
        sources.source, random, degrees=(5.0, 10.0, 15.0)[strength], scale=np.eye(3) * scale
    )
    return Planted(moved(sources.source, turn))


def scaled(sources: CopySources, random: Random, strength: int) -> Planted:
    """Each axis stretched by its own factor, up to 4, 8 and 12 %."""
    most = np.log((1.04, 1.08, 1.12)[strength])
    stretch = np.diag(np.exp(random.uniform(-most, most, 3)))
    return Planted(
        moved(sources.source, turn_of(sources.source, random, degrees=0.0, scale=stretch))
    )


def sheared(sources: CopySources, random: Random, strength: int) -> Planted:
    """Sheared by 0.05, 0.1 and 0.15 along random pairs of axes."""
    shear = np.eye(3) + (0.05, 0.1, 0.15)[strength] * np.triu(random.choice([-1, 1], (3, 3)), 1)
    return Planted(moved(sources.source, turn_of(sources.source, random, degrees=0.0, scale=shear)))


def shifted(sources: CopySources, random: Random, strength: int) -> Planted:
    """Moved by 5, 10 and 20 mm in a random direction."""
    way = random.normal(size=3)
    step = np.eye(4)
    step[:3, 3] = (5.0, 10.0, 20.0)[strength] * way / np.linalg.norm(way)
    return Planted(moved(sources.source, step))


def elastic(sources: CopySources, random: Random, strength: int) -> Planted:
    """Warped smoothly by up to 3, 5 and 8 mm, over some 30 mm."""
    return Planted(warped(sources.source, random, (3.0, 5.0, 8.0)[strength]))


def thick_slices(sources: CopySources, random: Random, strength: int) -> Planted:
    """Slices of 4, 6 and 8 mm along one axis, and back to the grid."""
    axis = int(random.integers(3))
    return Planted(through_grid(sources.source, {axis: (4.0, 6.0, 8.0)[strength]}))


def coarse(sources: CopySources, random: Random, strength: int) -> Planted:
    """Voxels of 3, 4 and 5 mm, and back to the grid."""
    size = (3.0, 4.0, 5.0)[strength]
    return Planted(through_grid(sources.source, dict.fromkeys(range(3), size)))


def missing_slices(sources: CopySources, random: Random, strength: int) -> Planted:
    """10, 20 and 30 % of the slices along one axis blank, in runs."""
    scan, axis = sources.source, int(random.integers(3))
    values, low = scan.voxels.copy(), float(scan.voxels.min())
    count = values.shape[axis]
    run = max(1, count // 30)
    starts = random.choice(count // run, round((0.1, 0.2, 0.3)[strength] * count / run), False)
    for start in starts * run:
        np.moveaxis(values, axis, 0)[start : start + run] = low
    return Planted(with_voxels(scan, values))


def cropped(sources: CopySources, random: Random, strength: int) -> Planted:
    """Blank beyond a plane: 10, 20 and 30 % of the body at one end are gone."""
    scan, axis = sources.source, int(random.integers(3))
    amount = np.moveaxis(tissue(scan), axis, 0).reshape(scan.voxels.shape[axis], -1).sum(1)
    before = np.cumsum(amount) / amount.sum()
    share = (0.1, 0.2, 0.3)[strength]
    gone = before < share if random.random() < 0.5 else before > 1 - share
    values = scan.voxels.copy()
    np.moveaxis(values, axis, 0)[gone] = float(scan.voxels.min())
    return Planted(with_voxels(scan, values))


def turn_of(scan: Scan, random: Random, *, degrees: float, scale: Matrix | None = None) -> Matrix:
    """A map 4x4 in mm about the middle of the grid: a turn about a random axis, then a matrix."""
    axis = random.normal(size=3)
    turn = np.eye(4)
    turn[:3, :3] = rotation(axis / np.linalg.norm(axis), np.radians(degrees))
    turn[:3, :3] = turn[:3, :3] @ (np.eye(3) if scale is None else scale)
    middle = (scan.affine @ [*((np.array(scan.voxels.shape) - 1) / 2), 1.0])[:3]
    turn[:3, 3] = middle - turn[:3, :3] @ middle
    return turn


def warped(scan: Scan, random: Random, most: float) -> Scan:
    """A smooth random displacement of up to some mm; the scan on the same grid."""
    spacing = spacing_of(scan.affine)
    shape = scan.voxels.shape
    vectors = [_bumps(shape, random, 15.0 / spacing) for _ in range(3)]
    gain = most / max(float(np.sqrt(sum(v**2 for v in vectors)).max()), 1e-6)
    index = np.indices(shape, dtype=np.float32)
    index += np.stack([gain * v / s for v, s in zip(vectors, spacing, strict=True)])
    low = float(scan.voxels.min())
    values = ndimage.map_coordinates(scan.voxels, index, order=1, mode="constant", cval=low)
    return with_voxels(unmasked(scan), values)


def through_grid(scan: Scan, sizes: dict[int, float]) -> Scan:
    """Averaged over voxels of some mm along some axes, and interpolated back."""
    spacing = spacing_of(scan.affine)
    values: Volume = scan.voxels
    for axis, size in sizes.items():
        step = size / spacing[axis]
        soft = ndimage.uniform_filter1d(values, max(1, round(step)), axis=axis)
        count = max(2, round(values.shape[axis] / step))
        few = ndimage.zoom(
            soft, [count / n if a == axis else 1 for a, n in enumerate(soft.shape)], order=1
        )
        back = [n / m for n, m in zip(values.shape, few.shape, strict=True)]
        values = ndimage.zoom(few, back, order=1)
    return with_voxels(scan, values)


def _bumps(shape: tuple[int, ...], random: Random, sigma: Matrix) -> Volume:
    coarse_shape = [max(4, int(n / s * 2)) for n, s in zip(shape, sigma, strict=True)]
    field = ndimage.gaussian_filter(random.normal(size=coarse_shape), 1.0)
    zoom = [n / m for n, m in zip(shape, field.shape, strict=True)]
    return np.asarray(ndimage.zoom(field, zoom, order=1), dtype=np.float32)
