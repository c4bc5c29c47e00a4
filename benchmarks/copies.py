"""Disturbed copies of a reference patient: (pair, random) -> (scan, where).

`where` is the copied part, None for a copy of the whole scan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from scipy import ndimage

from benchmarks.scans import Mask, Volume, contrast, tissue, with_voxels
from pytest_safegen import Scan
from pytest_safegen.api import PrepareOptions, canonical, register, resample, spacing_of

if TYPE_CHECKING:
    from pytest_safegen.api import Affine

Planted = tuple[Scan, Mask | None]


@dataclass(frozen=True, slots=True)
class Pair:
    """A reference patient, a real patient who is not in the reference, and the first laid over
    the second: `aligned` (i, j, k) on the host's grid and in the host's range."""

    source: Scan
    host: Scan
    aligned: Volume


Copy = Callable[[Pair, np.random.Generator], Planted]


def pair_of(source: Scan, host: Scan, options: PrepareOptions) -> Pair:
    """Lay one patient over another, by affine registration or by the middles of the grids."""
    moved = resample(
        source.voxels,
        source.affine,
        to_affine=host.affine,
        to_shape=host.voxels.shape,
        mapping=_mapping(source, host, options),
        order=3,
        fill=float(source.voxels.min()),
    )
    gain = contrast(host) / contrast(source)
    return Pair(source, host, (moved - source.voxels.min()) * gain + host.voxels.min())


def exact(pair: Pair, random: np.random.Generator) -> Planted:  # noqa: ARG001
    """The reference scan itself."""
    return pair.source, None


def noisy(pair: Pair, random: np.random.Generator, *, share: float) -> Planted:
    """With Gaussian noise over the tissue."""
    scan = pair.source
    noise = random.normal(0, share * contrast(scan), scan.voxels.shape)
    return with_voxels(scan, scan.voxels + noise * tissue(scan)), None


def blurred(pair: Pair, random: np.random.Generator, *, sigma: float) -> Planted:  # noqa: ARG001
    """Under a Gaussian of some mm."""
    sigmas = sigma / spacing_of(pair.source.affine)
    return with_voxels(pair.source, ndimage.gaussian_filter(pair.source.voxels, sigmas)), None


def curved(pair: Pair, random: np.random.Generator, *, exponent: float) -> Planted:  # noqa: ARG001
    """With another contrast: a power of the intensity."""
    scan, low, high = pair.source, pair.source.voxels.min(), pair.source.voxels.max()
    share = (scan.voxels - low) / (high - low)
    return with_voxels(scan, low + (high - low) * share**exponent), None


def inverted(pair: Pair, random: np.random.Generator) -> Planted:  # noqa: ARG001
    """With dark tissue bright and bright tissue dark, background as it was."""
    scan, low = pair.source, float(pair.source.voxels.min())
    turned = 2 * low + 1.1 * contrast(scan) - scan.voxels
    return with_voxels(scan, np.where(tissue(scan), turned, scan.voxels)), None


def mirrored(pair: Pair, random: np.random.Generator) -> Planted:  # noqa: ARG001
    """With left and right exchanged."""
    codes = nib.aff2axcodes(pair.source.affine)
    axis = next(n for n, code in enumerate(codes) if code in "LR")
    without = replace(pair.source, mask=None)
    return with_voxels(without, np.flip(pair.source.voxels, axis)), None


def turned(pair: Pair, random: np.random.Generator, *, degrees: float, scale: float) -> Planted:
    """Turned about a random axis through the middle, and scaled."""
    axis = random.normal(size=3)
    turn = np.eye(4)
    turn[:3, :3] = scale * rotation(axis / np.linalg.norm(axis), np.radians(degrees))
    middle = _middle(pair.source)
    turn[:3, 3] = middle - turn[:3, :3] @ middle
    return moved(pair.source, turn), None


def shifted(pair: Pair, random: np.random.Generator, *, distance: float) -> Planted:
    """Moved by some mm in a random direction."""
    way = random.normal(size=3)
    step = np.eye(4)
    step[:3, 3] = distance * way / np.linalg.norm(way)
    return moved(pair.source, step), None


def part(pair: Pair, random: np.random.Generator, *, axes: int) -> Planted:
    """In one part of another patient: a half (1 axis) or an eighth (3 axes) of the body."""
    body = tissue(pair.host)
    middle = np.round(ndimage.center_of_mass(body)).astype(int)
    index = np.indices(body.shape)
    where = np.ones(body.shape, dtype=bool)
    for axis in range(axes):
        above = index[axis] >= middle[axis]
        where &= above if random.random() < 0.5 else ~above
    return with_voxels(pair.host, np.where(where, pair.aligned, pair.host.voxels)), where


def blended(pair: Pair, random: np.random.Generator, *, share: float) -> Planted:  # noqa: ARG001
    """Mixed voxel by voxel with another patient."""
    mixed = share * pair.aligned + (1 - share) * pair.host.voxels
    return with_voxels(pair.host, mixed), None


COPIES: dict[str, Copy] = {
    "exact": exact,
    "noise, 5 %": partial(noisy, share=0.05),
    "blur, sigma 2 mm": partial(blurred, sigma=2.0),
    "gamma 1.5": partial(curved, exponent=1.5),
    "inverted": inverted,
    "mirrored": mirrored,
    "turned 3 degrees, 3 % larger": partial(turned, degrees=3.0, scale=1 / 1.03),
    "turned 6 degrees, 6 % smaller": partial(turned, degrees=6.0, scale=1.06),
    "shifted 8 mm": partial(shifted, distance=8.0),
    "half of the body": partial(part, axes=1),
    "an eighth of the body": partial(part, axes=3),
    "blend, 50 %": partial(blended, share=0.5),
}


def moved(scan: Scan, mapping: Affine) -> Scan:
    """The scan under a map of mm, on the same grid; its mask does not move with it and is gone."""
    values = resample(
        scan.voxels,
        scan.affine,
        to_affine=scan.affine,
        to_shape=scan.voxels.shape,
        mapping=mapping,
        fill=float(scan.voxels.min()),
    )
    return with_voxels(replace(scan, mask=None), values)


def _mapping(source: Scan, host: Scan, options: PrepareOptions) -> Affine:
    if options.align == "affine":
        return register(canonical(host, options), canonical(source, options), kind="affine")
    step = np.eye(4)
    step[:3, 3] = _middle(source) - _middle(host)
    return step


def _middle(scan: Scan) -> Affine:
    """The middle of the grid, in mm."""
    centre = (np.array(scan.voxels.shape) - 1) / 2
    return np.asarray((scan.affine @ [*centre, 1.0])[:3])


def rotation(axis: Affine, angle: float) -> Affine:
    """The 3x3 rotation about a unit axis, after Rodrigues."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
