"""Copies of a reference patient, disturbed as a generator that memorized would disturb them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from demo_data.brain import SPACING, Image
from demo_data.fields import smooth_field


def exact(image: Image, _rng: np.random.Generator) -> Image:
    """The very same voxels."""
    return image


def noisy(image: Image, rng: np.random.Generator) -> Image:
    """The copy with more noise and another contrast."""
    top = np.percentile(image.voxels[image.mask], 99)
    curved = top * (image.voxels / top) ** 0.75
    return image.with_voxels(curved + rng.normal(0, 0.04 * top, curved.shape))


def turned(image: Image, rng: np.random.Generator) -> Image:
    """The copy turned by 4 degrees, with another shading."""
    matrix = Rotation.from_euler("xyz", rng.choice([-4, 4], 3), degrees=True).as_matrix()
    centre = np.array(ndimage.center_of_mass(image.mask))
    offset = centre - matrix @ centre
    voxels = ndimage.affine_transform(image.voxels, matrix, offset, order=3)
    mask = ndimage.affine_transform(image.mask.astype(np.float32), matrix, offset, order=1) > 0.5
    shading = smooth_field(voxels.shape, scales=((40.0, 0.1),), spacing=SPACING, rng=rng)
    return replace(image, mask=mask).with_voxels(voxels * np.exp(shading))


def mirrored(image: Image, _rng: np.random.Generator) -> Image:
    """The copy with left and right exchanged."""
    return replace(image, voxels=image.voxels[::-1], mask=image.mask[::-1])


def half(image: Image, other: Image) -> Image:
    """One half of the copied brain, blended over 2 cm into another patient's brain."""
    first = image.voxels.shape[0]
    share = np.clip((np.arange(first) - first / 2) * SPACING / 20 + 0.5, 0, 1)[:, None, None]
    matched = other.voxels * (image.voxels[image.mask].mean() / other.voxels[other.mask].mean())
    mask = np.where(share > 0.5, image.mask, other.mask)
    return replace(image, mask=mask).with_voxels(image.voxels * share + matched * (1 - share))
