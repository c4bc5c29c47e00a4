"""Artefacts of a broken generator: each function puts one into a clean scan.

`place` is a voxel (i, j, k) well inside the brain, where a local artefact is put.
"""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from demo_data.brain import SPACING, Image
from demo_data.template import BoolArray, FloatArray

Place = tuple[int, int, int]


def inner_place(image: Image, rng: np.random.Generator, *, depth: float = 24.0) -> Place:
    """A random voxel at least `depth` mm below the surface of the brain."""
    distance = ndimage.distance_transform_edt(image.mask, sampling=SPACING)
    i, j, k = rng.choice(np.argwhere(distance >= depth))
    return int(i), int(j), int(k)


def cube(image: Image, place: Place, *, side: float) -> BoolArray:
    """True in a cube about a place; `side` in mm."""
    offset = np.indices(image.voxels.shape) - np.reshape(place, (3, 1, 1, 1))
    return np.asarray(np.abs(offset).max(axis=0) * SPACING <= side / 2)


def noise_ball(image: Image, rng: np.random.Generator) -> Image:
    """A ball of 2 cm that holds nothing but noise."""
    ball = _distance(image, inner_place(image, rng)) <= 10.0
    noise = rng.uniform(0, np.percentile(image.voxels[image.mask], 99), image.voxels.shape)
    return image.with_voxels(np.where(ball, noise, image.voxels))


def dropped_tissue(image: Image, rng: np.random.Generator) -> Image:
    """A cube of 3 cm of tissue that is missing, filled with one flat value."""
    block = cube(image, inner_place(image, rng), side=30.0)
    flat = 0.5 * image.voxels[image.mask].mean()
    return image.with_voxels(np.where(block, flat, image.voxels))


def checkerboard(image: Image, rng: np.random.Generator) -> Image:
    """The grid of a transposed convolution over a cube of 5 cm."""
    block = cube(image, inner_place(image, rng), side=50.0)
    sign = 1 - 2 * (np.indices(image.voxels.shape).sum(axis=0) % 2)
    return image.with_voxels(np.where(block, image.voxels * (1 + 0.2 * sign), image.voxels))


def motion_ghost(image: Image, rng: np.random.Generator) -> Image:
    """Displaced ghosts of the head, as where every other line of k-space is out of step."""
    lines = fft.fft(image.voxels, axis=1)
    lines[:, 1::2] *= np.exp(1j * rng.uniform(0.9, 1.1))
    return image.with_voxels(np.abs(fft.ifft(lines, axis=1)))


def over_smooth(image: Image, rng: np.random.Generator) -> Image:
    """The washed-out brain of an autoencoder: all detail below about 8 mm is gone."""
    return image.with_voxels(ndimage.gaussian_filter(image.voxels, rng.uniform(1.6, 1.9)))


def repeated_piece(image: Image, rng: np.random.Generator) -> Image:
    """A ball of 5 cm of the brain that appears again elsewhere in it."""
    place = inner_place(image, rng)
    shift = (0, 22 if place[1] < image.voxels.shape[1] // 2 else -22, 0)
    share = np.clip((25.0 - _distance(image, place)) / 6, 0, 1)
    elsewhere = np.roll(image.voxels, shift, axis=(0, 1, 2))
    return image.with_voxels(image.voxels * (1 - share) + elsewhere * share)


def hot_spot(image: Image, rng: np.random.Generator) -> Image:
    """A region of about 5 cm that is up to twice as bright as it should be."""
    share = np.exp(-((_distance(image, inner_place(image, rng)) / 20.0) ** 2))
    return image.with_voxels(image.voxels * (1 + share))


def _distance(image: Image, place: Place) -> FloatArray:
    """Distance of every voxel from a place, in mm."""
    offset = np.indices(image.voxels.shape) - np.reshape(place, (3, 1, 1, 1))
    return np.asarray(SPACING * np.linalg.norm(offset, axis=0), dtype=np.float32)
