"""Faults as generators make them, planted in a real scan: (scan, random) -> (scan, where).

`where` is None for a fault of the whole scan. Sizes are in mm, strengths are shares of the scan's
contrast.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy import ndimage

from benchmarks.scans import Mask, ball, contrast, cube, place, tissue, with_voxels
from pytest_safegen import Scan
from pytest_safegen.api import spacing_of

Planted = tuple[Scan, Mask | None]
Fault = Callable[[Scan, np.random.Generator], Planted]


def noise_ball(scan: Scan, random: np.random.Generator, *, radius: float) -> Planted:
    """A ball of uniform noise over the range of the tissue."""
    where = ball(scan, place(scan, random, radius), radius)
    low = float(scan.voxels.min())
    values = np.array(scan.voxels)
    values[where] = random.uniform(low, low + contrast(scan), int(where.sum()))
    return with_voxels(scan, values), where


def dropped_ball(scan: Scan, random: np.random.Generator, *, radius: float) -> Planted:
    """A ball of tissue that is background."""
    where = ball(scan, place(scan, random, radius), radius)
    return with_voxels(scan, np.where(where, scan.voxels.min(), scan.voxels)), where


def flat_ball(scan: Scan, random: np.random.Generator, *, radius: float) -> Planted:
    """A ball without texture: its own mean everywhere."""
    where = ball(scan, place(scan, random, radius), radius)
    return with_voxels(scan, np.where(where, scan.voxels[where].mean(), scan.voxels)), where


def blurred(scan: Scan, random: np.random.Generator, *, sigma: float) -> Planted:  # noqa: ARG001
    """The whole scan under a Gaussian of some mm."""
    sigmas = sigma / spacing_of(scan.affine)
    return with_voxels(scan, ndimage.gaussian_filter(scan.voxels, sigmas)), None


def noisy(scan: Scan, random: np.random.Generator, *, share: float) -> Planted:
    """Gaussian noise over all tissue."""
    noise = random.normal(0, share * contrast(scan), scan.voxels.shape)
    return with_voxels(scan, scan.voxels + noise * tissue(scan)), None


def ghosted(scan: Scan, random: np.random.Generator, *, share: float) -> Planted:
    """Faint copies of the scan, a third of the field of view away on both sides."""
    axis = int(random.integers(3))
    step = scan.voxels.shape[axis] // 3
    above = scan.voxels - scan.voxels.min()
    ghosts = sum(np.roll(above, way * step, axis=axis) for way in (-1, 1))
    return with_voxels(scan, scan.voxels + share * ghosts), None


def checkerboard(scan: Scan, random: np.random.Generator, *, side: float, share: float) -> Planted:
    """A cube under a voxel-by-voxel checkerboard, as transposed convolutions leave it."""
    where = cube(scan, place(scan, random, side / 2), side)
    sign = 1 - 2 * (np.indices(scan.voxels.shape).sum(0) % 2)
    return with_voxels(scan, scan.voxels + share * contrast(scan) * sign * where), where


def foreign_patch(scan: Scan, random: np.random.Generator, *, side: float) -> Planted:
    """A cube that shows another place of the same scan."""
    here, there = (place(scan, random, side / 2) for _ in range(2))
    where = cube(scan, here, side)
    moved = np.roll(scan.voxels, tuple(here - there), axis=(0, 1, 2))
    return with_voxels(scan, np.where(where, moved, scan.voxels)), where


FAULTS: dict[str, Fault] = {
    "noise ball, 10 mm across": partial(noise_ball, radius=5.0),
    "noise ball, 20 mm across": partial(noise_ball, radius=10.0),
    "dropped ball, 20 mm": partial(dropped_ball, radius=10.0),
    "flat ball, 20 mm": partial(flat_ball, radius=10.0),
    "checkerboard, 20 mm": partial(checkerboard, side=20.0, share=0.1),
    "foreign patch, 24 mm": partial(foreign_patch, side=24.0),
    "blur, sigma 2 mm": partial(blurred, sigma=2.0),
    "noise, 8 %": partial(noisy, share=0.08),
    "ghosts, 10 %": partial(ghosted, share=0.1),
}
