"""Copies of a part, mixtures of patients, and several disturbances at once."""

# ruff: noqa: ARG001  every disturbance has the same form

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import ndimage

from benchmarks.memorization.copy_sources import CopySources, Disturbance, Planted
from benchmarks.memorization.geometries import moved, turn_of, warped
from benchmarks.memorization.intensities import (
    Random,
    upside_down,
    with_bias,
    with_blur,
    with_noise,
    with_power,
)
from benchmarks.scans import Mask, tissue, with_voxels
from pytest_safegen import Scan
from pytest_safegen.api import spacing_of

MISPLACED = 5.0  # mm


def patch_of(share: float) -> Disturbance:
    """A cube of the source in a stranger that holds a share of the body."""
    return partial(patch, share=share)


def patch(sources: CopySources, random: Random, strength: int, *, share: float) -> Planted:
    """In its place; then with noise and blur; then 5 mm off its place, with soft borders."""
    host = sources.host
    where = cube_of(host, random, share)
    values = sources.aligned
    if strength == 1:
        values = ndimage.gaussian_filter(values, 1.2 / spacing_of(host.affine))
    if strength == 2:
        direction = random.normal(size=3)
        step = MISPLACED * direction / np.linalg.norm(direction) / spacing_of(host.affine)
        values = ndimage.shift(values, step, order=1, mode="nearest")
    weight = where.astype(np.float32)
    if strength == 2:
        weight = ndimage.gaussian_filter(weight, 2.0 / spacing_of(host.affine))
    scan = with_voxels(host, weight * values + (1 - weight) * host.voxels)
    return Planted(with_noise(scan, random, 0.05) if strength == 1 else scan, where)


def cube_of(scan: Scan, random: Random, share: float) -> Mask:
    """A cube around a random place that holds a share of the body, and is within the body."""
    body = tissue(scan)
    depth = ndimage.distance_transform_edt(np.pad(body, 1))[1:-1, 1:-1, 1:-1]
    reach = (share * body.sum()) ** (1 / 3) / 2
    deep = np.argwhere(depth >= min(reach, 0.6 * float(depth.max())))
    middle = random.choice(deep)
    distance = np.abs(np.indices(body.shape).T - middle).max(-1).T
    needed = np.quantile(distance[body], share)
    return np.asarray((distance <= needed) & body)


def mixed(sources: CopySources, random: Random, strength: int) -> Planted:
    """Two training patients: halves; 70 and 30 %; alternating eighths."""
    body = tissue(sources.source)
    index = np.indices(body.shape)
    cuts = [np.quantile(index[axis][body], 0.5) for axis in range(3)]
    axis = int(random.integers(3))
    if strength < 2:
        cut = np.quantile(index[axis][body], (0.5, 0.7)[strength])
        first = index[axis] < cut
    else:
        first = sum((index[a] < cuts[a]).astype(int) for a in range(3)) % 2 == 0
    return Planted(
        with_voxels(sources.source, np.where(first, sources.source.voxels, sources.second))
    )


def blended(sources: CopySources, random: Random, strength: int) -> Planted:
    """Mixed voxel by voxel with a stranger: 70, 50 and 35 % of the source."""
    share = (0.7, 0.5, 0.35)[strength]
    return Planted(
        with_voxels(sources.host, share * sources.aligned + (1 - share) * sources.host.voxels)
    )


def all_mild(sources: CopySources, random: Random, strength: int) -> Planted:
    """Noise, blur, contrast, bias, a turn with scaling and a warp, all at once and growing."""
    amount = (0.5, 1.0, 1.5)[strength]
    turn = turn_of(
        sources.source, random, degrees=5 * amount, scale=np.eye(3) * (1 + 0.03 * amount)
    )
    scan = warped(moved(sources.source, turn), random, 2.0 * amount)
    scan = with_bias(with_power(scan, 1 + 0.3 * amount), random, 1 + 0.3 * amount)
    return Planted(with_noise(with_blur(scan, 1.5 * amount), random, 0.04 * amount))


def inverted_turned(sources: CopySources, random: Random, strength: int) -> Planted:
    """Contrast inverted, left and right exchanged, and a turn of 3, 6 and 10 degrees."""
    flipped = with_voxels(sources.source, np.flip(sources.source.voxels, 0))
    turn = turn_of(flipped, random, degrees=(3.0, 6.0, 10.0)[strength])
    return Planted(moved(upside_down(flipped), turn))


def half_mirrored(sources: CopySources, random: Random, strength: int) -> Planted:
    """The left half mirrored onto the right; then with noise; then with noise and a blur."""
    scan = sources.source
    middle = round(float(ndimage.center_of_mass(tissue(scan))[0]))
    values = scan.voxels.copy()
    width = min(middle, values.shape[0] - middle)
    values[middle : middle + width] = values[middle - width : middle][::-1]
    scan_mirrored = with_voxels(scan, values)
    scan_mirrored = with_blur(scan_mirrored, 1.5) if strength == 2 else scan_mirrored
    return Planted(with_noise(scan_mirrored, random, 0.05) if strength else scan_mirrored)


def rescanned(sources: CopySources, random: Random, strength: int) -> Planted:
    """A stand-in for another scan of the same person: bias, a turn, a small warp, new noise."""
    amount = (0.5, 1.0, 1.5)[strength]
    scan = moved(sources.source, turn_of(sources.source, random, degrees=4 * amount))
    scan = with_bias(warped(scan, random, 1.2 * amount), random, 1 + 0.15 * amount)
    return Planted(with_noise(with_power(scan, 1 + 0.1 * amount), random, 0.04 * amount))
