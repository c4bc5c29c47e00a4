"""One made-up patient's brain, and scans of it.

A patient is an anatomy: a warped template with its own folds and ventricles. A scan is that anatomy
in some head position, seen through a scanner's contrast, shading, blur and noise. Clean synthetic
scans come from the same two steps as the reference: they are what a perfect generator would make.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from demo_data.fields import smooth_field
from demo_data.lesions import Lesion, paint
from demo_data.template import Affine, AnyFloatArray, BoolArray, FloatArray, Template

SPACING = 2.0
WARP_SCALES = ((30.0, 3.4), (12.0, 1.6), (6.0, 0.5))
FOLD_SCALES = ((4.0, 0.6),)
SHADING_SCALES = ((45.0, 0.06),)
TISSUE_LEVELS = (0.22, 0.60, 0.90)
VENTRICLES = (0.0, -18.0, 16.0)
TEMPLATE_EXCESS = 1.07
"""How much longer the template's brain is than an average one."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A brain without a scanner: `tissue` 0 to 1 and `mask`, both (i, j, k) on a 2 mm grid."""

    tissue: FloatArray
    mask: BoolArray
    affine: Affine


@dataclass(frozen=True, slots=True)
class Image:
    """A scan before it is written: `voxels` float32 (i, j, k), 0 outside the brain `mask`.

    `lesion` is the exact mask of the lesion, None where there is none.
    """

    voxels: FloatArray
    mask: BoolArray
    affine: Affine
    lesion: BoolArray | None = None

    def with_voxels(self, voxels: AnyFloatArray) -> Image:
        """The same scan with other voxels; what lies outside the brain stays 0."""
        inside = np.where(self.mask, np.clip(voxels, 0, None), 0)
        return replace(self, voxels=inside.astype(np.float32))


def make_anatomy(template: Template, rng: np.random.Generator) -> Anatomy:
    """A new patient: the template under a smooth warp at three scales, with its own folds."""
    affine = template.affine @ np.diag([SPACING, SPACING, SPACING, 1.0])
    shape = tuple((n + 1) // 2 for n in template.t1.shape)
    places = _places(shape, affine)
    warped = places + _warp(shape, rng) + _ventricle_shift(places, size=rng.uniform(-2.5, 4.0))
    index = _to_index(warped, template.affine)
    t1, grey, white = (
        ndimage.map_coordinates(volume, index, order=1)
        for volume in (template.t1, template.grey, template.white)
    )
    mask = ndimage.binary_fill_holes(t1 > 0.12)
    tissue = 0.25 * t1 + 0.75 * _tissue(grey, white, rng)
    return Anatomy(tissue.astype(np.float32), mask, affine)


def head_position(rng: np.random.Generator) -> Affine:
    """A patient's head size (within 6 %) and position (within 6 degrees and 3 mm), mm to mm."""
    position = _rigid(rng, degrees=6.0, shift=3.0)
    position[:3, :3] *= TEMPLATE_EXCESS * rng.uniform(0.94, 1.06, 3)
    return position


def moved(position: Affine, rng: np.random.Generator) -> Affine:
    """The same head on another day: turned by at most 2 degrees, shifted by at most 2 mm."""
    return position @ _rigid(rng, degrees=2.0, shift=2.0)


def acquire(
    anatomy: Anatomy,
    *,
    position: Affine,
    rng: np.random.Generator,
    lesion: Lesion | None = None,
) -> Image:
    """A T1-weighted, brain-extracted scan; `position` maps scan mm to anatomy mm."""
    shape = anatomy.tissue.shape
    places = _transform(position, _places(shape, anatomy.affine))
    index = _to_index(places, anatomy.affine)
    tissue = ndimage.map_coordinates(anatomy.tissue, index, order=3)
    mask = ndimage.map_coordinates(anatomy.mask.astype(np.float32), index, order=1) > 0.5
    painted, outline = paint(tissue, places, lesion=lesion)
    voxels = _scanner(np.clip(painted, 0, None), rng)
    image = Image(voxels, mask, anatomy.affine, outline)
    return image.with_voxels(voxels)


def _scanner(tissue: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Contrast curve, blur, shading, Rician noise and an arbitrary intensity scale."""
    signal = ndimage.gaussian_filter(tissue ** rng.uniform(0.9, 1.1), rng.uniform(0.3, 0.4))
    signal = signal * np.exp(
        smooth_field(tissue.shape, scales=SHADING_SCALES, spacing=SPACING, rng=rng)
    )
    sigma = rng.uniform(0.018, 0.026)
    real, imaginary = rng.normal(0, sigma, (2, *tissue.shape))
    noisy = np.hypot(signal + real, imaginary)
    return np.asarray(noisy * rng.uniform(700, 1100), dtype=np.float32)


def _tissue(grey: FloatArray, white: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Tissue intensity 0 to 1 where a random field moves the borders between the tissues."""
    fluid = np.clip(1 - grey - white, 0, 1)
    borders = [
        smooth_field(grey.shape, scales=FOLD_SCALES, spacing=SPACING, rng=rng) for _ in range(3)
    ]
    weights = [
        (np.clip(share, 0, 1) + 0.02) ** 1.4 * np.exp(border)
        for share, border in zip((fluid, grey, white), borders, strict=True)
    ]
    levels = [level * rng.uniform(0.96, 1.04) for level in TISSUE_LEVELS]
    mixed = sum(w * level for w, level in zip(weights, levels, strict=True))
    return np.asarray(mixed / sum(weights), dtype=np.float32)


def _warp(shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    axes = [smooth_field(shape, scales=WARP_SCALES, spacing=SPACING, rng=rng) for _ in range(3)]
    return np.stack(axes)


def _ventricle_shift(places: FloatArray, *, size: float) -> FloatArray:
    """A pull towards the ventricles (mm) that widens them where `size` (mm) is positive."""
    offset = places - np.reshape(VENTRICLES, (3, 1, 1, 1))
    widths = np.reshape((14.0, 26.0, 16.0), (3, 1, 1, 1))
    distance = np.sqrt(np.sum((offset / widths) ** 2, axis=0)) + 1e-6
    pull = -size * np.exp(-(distance**2) / 2) / (distance * widths)
    return np.asarray(pull * offset, dtype=np.float32)


def _rigid(rng: np.random.Generator, *, degrees: float, shift: float) -> Affine:
    matrix = np.eye(4)
    angles = rng.uniform(-degrees, degrees, 3)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    matrix[:3, 3] = rng.uniform(-shift, shift, 3)
    return matrix


def _places(shape: tuple[int, ...], affine: Affine) -> FloatArray:
    """The place of every voxel in mm, (3, i, j, k)."""
    return _transform(affine, np.indices(shape, dtype=np.float32))


def _to_index(places: FloatArray, affine: Affine) -> FloatArray:
    return _transform(np.linalg.inv(affine), places)


def _transform(matrix: AnyFloatArray, points: FloatArray) -> FloatArray:
    """A 4x4 matrix applied to points (3, i, j, k)."""
    moved_points = np.einsum("ab,bijk->aijk", matrix[:3, :3].astype(np.float32), points)
    return np.asarray(moved_points + matrix[:3, 3].reshape(3, 1, 1, 1), dtype=np.float32)
