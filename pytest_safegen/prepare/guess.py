"""Guesses how scans should be prepared, from their values, their extent and their border."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_safegen.core.scan import Scan
from pytest_safegen.prepare.intensity import body_mask
from pytest_safegen.prepare.options import Alignment, Intensity, PrepareOptions
from pytest_safegen.prepare.resample import spacing_of

MAX_VOXELS_PER_SIDE = 128

FINEST_SPACING = 0.5  # mm

LOWEST_MR_VALUE = -200.0  # no MR scanner stores values this negative; every CT with air does

SMALLEST_BODY_PART = 100.0  # mm; a smaller scan is a crop and has no outline to align

VOXELS_TO_SAMPLE = 500_000  # enough to see whether tissue reaches the border


def guess_options(scan: Scan, *, spacing: float | None = None) -> PrepareOptions:
    """Options for one scan, from its values, its extent and its border; `spacing` in mm."""
    intensity = _guess_intensity(scan)
    voxel = spacing_of(scan.affine)
    longest = float(np.max(voxel * scan.voxels.shape))
    coarse = np.ceil(2 * longest / MAX_VOXELS_PER_SIDE) / 2
    native = max(round(float(voxel.min()), 1), FINEST_SPACING)
    cropped = longest < SMALLEST_BODY_PART or _tissue_reaches_border(scan, intensity)
    align: Alignment = "centre" if cropped else "affine"
    return PrepareOptions(spacing or float(max(coarse, native)), intensity, align)


def common_options(options: Sequence[PrepareOptions]) -> PrepareOptions:
    """Options for a whole cohort: the median spacing, and the kinds that most scans need."""
    spacing = float(np.median([option.spacing for option in options]))
    cropped = sum(option.align == "centre" for option in options)
    ct = sum(option.intensity == "ct" for option in options)
    half = len(options) / 2
    return PrepareOptions(
        spacing,
        "ct" if ct > half else "mr",
        "centre" if cropped > half else "affine",
    )


def _guess_intensity(scan: Scan) -> Intensity:
    finite = scan.voxels[np.isfinite(scan.voxels)]
    lowest = float(finite.min()) if finite.size else 0.0
    modality = (scan.ref.modality or "").lower()
    return "ct" if modality == "ct" or (not modality and lowest <= LOWEST_MR_VALUE) else "mr"


def _tissue_reaches_border(scan: Scan, intensity: Intensity) -> bool:
    step = max(1, round((scan.voxels.size / VOXELS_TO_SAMPLE) ** (1 / 3)))
    body = body_mask(np.nan_to_num(scan.voxels[::step, ::step, ::step]), intensity)
    faces = [np.take(body, index, axis).ravel() for axis in range(3) for index in (0, -1)]
    filled = sum(face.mean() > 0.3 for face in faces)
    return bool(filled >= 5)
