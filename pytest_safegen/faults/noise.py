"""Noise, in a place or over the whole scan."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pytest_safegen.faults.fields import normal
from pytest_safegen.faults.model import Canvas, Family, FloatArray
from pytest_safegen.faults.planting import MR, global_family, local_family
from pytest_safegen.faults.regions import Patch

LOCAL_SIGMA = 0.25  # of the contrast, at strength 1
GLOBAL_SIGMA = 0.15


def noise_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """White Gaussian noise of up to 25 % of the contrast (standard deviation)."""
    sigma = LOCAL_SIGMA * strength * patch.canvas.contrast
    return patch.voxels + np.float32(sigma) * normal(patch.voxels.shape, random)


def rician_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """The magnitude of a signal with complex noise of up to 30 %; it also brightens dark voxels."""
    sigma = 1.2 * LOCAL_SIGMA * strength * patch.canvas.contrast
    return _rician(patch.voxels, patch.canvas.floor, sigma, random)


def lumpy_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Noise of up to 18 % of the contrast with a grain of a few voxels."""
    sigma = 0.7 * LOCAL_SIGMA * strength * patch.canvas.contrast
    return patch.voxels + np.float32(sigma) * _grain(patch.voxels.shape, random)


def salt_pepper_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Up to a third of the voxels at the bottom or the top of the range."""
    canvas, draw = patch.canvas, random.random(patch.voxels.shape, dtype=np.float32)
    share = 0.03 + 0.3 * strength
    salt = np.where(draw < share / 2, canvas.floor + 1.1 * canvas.contrast, patch.voxels)
    return np.where(draw > 1 - share / 2, canvas.floor, salt).astype(np.float32)


def uniform_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Tissue replaced by uniform noise over the range of the tissue."""
    noise = random.random(patch.voxels.shape, dtype=np.float32)
    target = np.float32(patch.canvas.floor) + np.float32(patch.canvas.contrast) * noise
    return patch.voxels + np.float32(strength) * (target - patch.voxels)


def noise(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """White Gaussian noise of up to 15 % of the contrast (standard deviation)."""
    sigma = GLOBAL_SIGMA * strength * canvas.contrast
    return canvas.voxels + np.float32(sigma) * normal(canvas.shape, random)


def rician(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Rician noise of up to 15 % of the contrast, which also brightens dark voxels."""
    sigma = GLOBAL_SIGMA * strength * canvas.contrast
    return _rician(canvas.voxels, canvas.floor, sigma, random)


def grainy(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Noise of up to 9 % of the contrast with a grain of a few voxels, in the body."""
    sigma = 0.6 * GLOBAL_SIGMA * strength * canvas.contrast
    return canvas.voxels + np.float32(sigma) * _grain(canvas.shape, random) * canvas.body


def _rician(
    voxels: FloatArray, floor: float, sigma: float, random: np.random.Generator
) -> FloatArray:
    """sqrt((v + n)^2 + n'^2), v above the floor; what lies below the floor keeps its distance."""
    low, scale = np.float32(floor), np.float32(sigma)
    above = np.maximum(voxels - low, 0)
    real = above + scale * normal(voxels.shape, random)
    imaginary = scale * normal(voxels.shape, random)
    return np.asarray(np.hypot(real, imaginary) + np.minimum(voxels - low, 0) + low)


def _grain(shape: tuple[int, ...], random: np.random.Generator) -> FloatArray:
    """Gaussian noise, smoothed over 0.7 to 2 voxels, of standard deviation 1."""
    sigma = random.uniform(0.7, 2.0)
    grain = ndimage.gaussian_filter(normal(shape, random), sigma, truncate=3)
    return np.asarray(grain / max(float(grain.std()), 1e-6), dtype=np.float32)


FAMILIES: tuple[Family, ...] = (
    local_family("noise-patch", "noise", "a patch of noise", noise_patch),
    local_family("rician-patch", "noise", "a patch of Rician noise", rician_patch, modalities=MR),
    local_family("lumpy-patch", "noise", "a patch of coarse-grained noise", lumpy_patch),
    local_family("salt-pepper-patch", "noise", "a patch of dead and hot voxels", salt_pepper_patch),
    local_family("uniform-noise-patch", "noise", "tissue replaced by noise", uniform_patch),
    global_family("noise", "noise", "a noisy scan", noise),
    global_family("rician-noise", "noise", "a scan with Rician noise", rician, modalities=MR),
    global_family("grainy", "noise", "a scan with coarse-grained noise", grainy),
)
