"""Intensities on a common scale, and the mask of the body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.core.errors import NotJudged
from pytest_safegen.prepare.options import Intensity, PrepareOptions

if TYPE_CHECKING:
    from pytest_safegen.core.scan import BoolArray, FloatArray


HOUNSFIELD_FLOOR, HOUNSFIELD_CEILING = -1000.0, 1000.0

MIN_BODY_VOXELS = 200

TISSUE_LEVEL = 0.8  # where the upper quartile of the body is put


def normalise(values: FloatArray, options: PrepareOptions) -> tuple[FloatArray, BoolArray]:
    """Intensities on a common scale, float32, and the body, bool, both (i, j, k).

    CT: -1000 to 1000 HU maps to 0 to 1. MR: the background to 0, the body's upper quartile to 0.8.

    Raises:
        NotJudged: one value only, or no body.
    """
    if float(values.max()) == float(values.min()):
        raise NotJudged(
            "all voxels of the scan have the same value, so there is nothing to judge",
            headline="Constant scan: all voxels have the same value",
        )
    whole = np.ones(values.shape, dtype=bool)
    body = whole if options.align == "centre" else body_mask(values, options.intensity)
    if body.sum() < MIN_BODY_VOXELS:
        raise NotJudged(
            "no body can be told from the background of the scan",
            headline="No body found in the scan",
        )
    if options.intensity == "ct":
        low, high = HOUNSFIELD_FLOOR, HOUNSFIELD_CEILING
        return np.clip((values - low) / (high - low), 0.0, 1.0).astype(np.float32), body
    low = _background_value(values) if options.align == "affine" else _percentile(values, 1)
    level = _percentile(values[body], 75)  # not the maximum, which a bright fault would shift
    scaled = TISSUE_LEVEL * (values - low) / max(level - low, float(np.finfo(np.float32).tiny))
    return np.clip(scaled, -0.25, 2.0).astype(np.float32), body


def body_mask(values: FloatArray, intensity: Intensity) -> BoolArray:
    """Where the body is: above air in CT, above the background in MR; holes filled."""
    if intensity == "ct":
        raw = values > -500.0
    else:
        low = _background_value(values)
        top = _percentile(values, 99)
        raw = values > low + 0.05 * (top - low)
    return np.asarray(ndimage.binary_fill_holes(_largest_part(raw)), dtype=bool)


def _background_value(values: FloatArray) -> float:
    """The lowest value if the background is blank, else a low percentile."""
    lowest = float(values.min())
    blank = float(np.mean(values <= lowest + 1e-6 * max(abs(lowest), 1.0))) > 0.05
    return lowest if blank else _percentile(values, 2)


def _largest_part(raw: BoolArray) -> BoolArray:
    labels, count = ndimage.label(ndimage.binary_opening(raw, iterations=1))
    if count == 0:
        return raw
    sizes = np.bincount(labels.ravel())[1:]
    largest = labels == 1 + int(np.argmax(sizes))
    return np.asarray(ndimage.binary_dilation(largest, iterations=1) & raw, dtype=bool)


def _percentile(values: FloatArray, percent: float) -> float:
    sample = values.ravel()[:: max(1, values.size // 200_000)]
    return float(np.percentile(sample, percent))
