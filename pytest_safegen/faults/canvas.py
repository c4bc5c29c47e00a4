"""Canvases from scans as they are read."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pytest_safegen.core.scan import Scan
from pytest_safegen.faults.model import BoolArray, Canvas, FloatArray
from pytest_safegen.prepare.resample import spacing_of

BODY_LEVEL = 0.1  # of the way from background to bright tissue
SPACING_OF_BODY = 2.5  # mm; the body's outline is found on a grid about this coarse


def canvas_of(scan: Scan, donor: Scan | None = None) -> Canvas:
    """A scan as a canvas, on its own grid; ValueError if voxels are not finite.

    A donor gives tissue only if it has as many voxels along each axis; its intensities are brought
    to the range of the scan.
    """
    i, j, k = (float(step) for step in spacing_of(scan.affine))
    body = _body(scan.voxels, (i, j, k))
    plain = Canvas(scan.voxels, body, (i, j, k))
    if donor is None or donor.voxels.shape != scan.voxels.shape:
        return plain
    other = Canvas(donor.voxels, _body(donor.voxels, (i, j, k)), (i, j, k))
    gain = plain.contrast / other.contrast if other.contrast > 0 else 1.0
    matched = (donor.voxels - np.float32(other.floor)) * np.float32(gain) + np.float32(plain.floor)
    return Canvas(scan.voxels, body, (i, j, k), np.asarray(matched, dtype=np.float32))


def _body(voxels: FloatArray, spacing: tuple[float, float, float]) -> BoolArray:
    """What is above the background, on a coarse grid, without specks and with holes filled."""
    steps = [
        max(1, min(round(SPACING_OF_BODY / step), n // 16))
        for step, n in zip(spacing, voxels.shape, strict=True)
    ]
    i, j, k = steps
    coarse = np.nan_to_num(voxels[i // 2 :: i, j // 2 :: j, k // 2 :: k])
    low, high = (float(value) for value in np.percentile(coarse, (1, 99)))
    raw = coarse > low + BODY_LEVEL * (high - low)
    solid = ndimage.binary_fill_holes(ndimage.median_filter(raw, size=3))
    for axis, (step, n) in enumerate(zip(steps, voxels.shape, strict=True)):
        solid = np.repeat(solid, step, axis=axis)
        missing = [(0, max(n - solid.shape[own], 0) if own == axis else 0) for own in range(3)]
        solid = np.take(np.pad(solid, missing, mode="edge"), range(n), axis=axis)
    return np.asarray(solid if solid.any() else np.ones(voxels.shape, dtype=bool))
