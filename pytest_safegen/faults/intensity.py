"""Wrong brightness or contrast, in a place or over the whole scan."""

from __future__ import annotations

import numpy as np

from pytest_safegen.faults.fields import rotation, sign, smooth
from pytest_safegen.faults.model import Canvas, Family, FloatArray
from pytest_safegen.faults.planting import MR, global_family, local_family
from pytest_safegen.faults.regions import Patch, mm_from


def gain_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Tissue up to 80 % brighter or darker."""
    return patch.voxels + np.float32(0.8 * strength * sign(random)) * patch.above


def offset_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Up to half of the contrast added or subtracted: a lump or a hole."""
    return patch.voxels + np.float32(0.5 * strength * sign(random) * patch.canvas.contrast)


def gamma_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Another contrast: intensities to the power of 0.3 to 3.3."""
    return _gamma(patch.voxels, patch.canvas, float(np.exp(1.2 * strength * sign(random))))


def inverted_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """Contrast inverted about the median of the region."""
    region = patch.region
    inside = region.inside & patch.canvas.body[region.box]
    middle = np.float32(np.median(patch.voxels[inside]) if inside.any() else patch.canvas.floor)
    return patch.voxels + np.float32(2 * strength) * (middle - patch.voxels)


def ramp_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """A gradient of brightness across the region, up to 90 % on either side."""
    region = patch.region
    middle = region.centre + np.array(patch.offset)
    x, y, z = mm_from(patch.canvas, region.box, middle)
    slope_direction = (rotation(random)[0] / region.radius).astype(np.float32)
    slope = np.clip(slope_direction[0] * x + slope_direction[1] * y + slope_direction[2] * z, -1, 1)
    return np.asarray(patch.voxels + np.float32(0.9 * strength) * slope * patch.above)


def bias_field(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """A smooth gain over the scan, up to a factor of 2.2 at its extreme."""
    field = smooth(canvas.shape, random, cells=random.uniform(1, 3))
    field = field / max(float(np.abs(field).max()), 1e-6)
    gain = np.exp(np.float32(0.8 * strength) * field)
    return np.asarray(_above(canvas) * gain + np.float32(canvas.floor))


def gamma(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """Another contrast: intensities to the power of 0.45 to 2.2."""
    return _gamma(canvas.voxels, canvas, float(np.exp(0.8 * strength * sign(random))))


def inverted(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """Contrast inverted within the body."""
    top = np.float32(2 * canvas.floor + canvas.contrast)
    inverse = np.maximum(top - canvas.voxels, np.float32(canvas.floor))
    change = (inverse - canvas.voxels) * canvas.body
    return np.asarray(canvas.voxels + np.float32(strength) * change)


def saturated(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """Bright values clipped, down to half of the contrast."""
    top = canvas.floor + (1.05 - 0.55 * strength) * canvas.contrast
    return np.minimum(canvas.voxels, np.float32(top))


def _above(canvas: Canvas) -> FloatArray:
    return np.asarray(canvas.voxels - np.float32(canvas.floor))


def _gamma(voxels: FloatArray, canvas: Canvas, exponent: float) -> FloatArray:
    """contrast * (v / contrast)^exponent, v above the floor; what is below the floor stays."""
    low, top = np.float32(canvas.floor), np.float32(canvas.contrast)
    share = np.maximum(voxels - low, 0) / top
    return np.asarray(low + top * share ** np.float32(exponent) + np.minimum(voxels - low, 0))


FAMILIES: tuple[Family, ...] = (
    local_family("gain-patch", "intensity", "a patch that is too bright or too dark", gain_patch),
    local_family("offset-patch", "intensity", "a bright lump or a dark hole", offset_patch),
    local_family("gamma-patch", "intensity", "a patch of another contrast", gamma_patch),
    local_family("inverted-patch", "intensity", "a patch of inverted contrast", inverted_patch),
    local_family("ramp-patch", "intensity", "a patch with a gradient of brightness", ramp_patch),
    global_family("bias-field", "intensity", "a scan of uneven brightness", bias_field),
    global_family("gamma", "intensity", "a scan of another contrast", gamma),
    global_family(
        "inverted", "intensity", "a scan whose tissue contrast is inverted", inverted, modalities=MR
    ),
    global_family("saturated", "intensity", "a scan whose bright tissue is clipped", saturated),
)
