"""Measures of copying: voxel values, noise and grain that a follow-up repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.api import Measure, resample, spacing_of
from safegen_detectors.longitudinal.inputs.metadata import read_label
from safegen_detectors.longitudinal.maths.similarity import (
    equal_share,
    grain_correlation,
    noise_correlation,
)
from safegen_detectors.longitudinal.registration import bounding_box, pair_name, share_voxel_grid

if TYPE_CHECKING:
    from pytest_safegen.api import Affine, BoolArray
    from safegen_detectors.longitudinal.registration import Alignment


MAX_NOISE_PIXEL = 1.0  # mm: coarser pixels hold anatomy where finer ones hold noise
MIN_GRAIN_SPACING = 1.9  # mm: from here on the prepared grid holds noise at its finest
NOISE_BOX_VOXELS = 96  # a cube around the body's middle holds noise enough


def copy_measures(aligned: Alignment) -> list[Measure]:
    """Equal voxels, noise and grain that repeat; nothing where the background is shared."""
    if read_label(aligned.later.ref.labels, "background") == "shared":
        return []
    zone = _zone_on_scan_grid(aligned)
    return [
        *_equal_share_measures(aligned, zone),
        *_noise_measures(aligned, zone),
        *_grain_measures(aligned),
    ]


def _grain_measures(aligned: Alignment) -> list[Measure]:
    """The finest structure on the prepared grid; none where both scans resolve more than that."""
    earlier, later = aligned.earlier, aligned.later
    coarsest = max(float(spacing_of(one.scan.affine).max()) for one in (earlier, later))
    if coarsest < MIN_GRAIN_SPACING or later.intensity == "ct":
        return []
    box = bounding_box(aligned.zone)
    moved = resample(
        earlier.prepared.voxels,
        earlier.prepared.affine,
        to_affine=later.prepared.affine,
        to_shape=later.prepared.voxels.shape,
        mapping=aligned.mapping,
        order=3,
    )
    fixed = later.prepared.voxels[box]
    grain = grain_correlation(fixed, moved[box], where=aligned.zone[box])
    if grain is None:
        return []
    message = (
        f"the finest grain of the image repeats {pair_name(aligned)}, so the later scan was made "
        "from the earlier one"
    )
    headline = "Follow-up repeats the grain of the earlier scan"
    return [Measure("grain_correlation", grain, "", message, headline)]


def _zone_on_scan_grid(aligned: Alignment) -> BoolArray:
    """The unchanged anatomy on the later scan's own grid."""
    scan, prepared = aligned.later.scan, aligned.later.prepared
    values = aligned.zone.astype(np.float32)
    resampled = resample(
        values, prepared.affine, to_affine=scan.affine, to_shape=scan.voxels.shape, order=0
    )
    return np.asarray(resampled > 0.5, dtype=bool)


def _equal_share_measures(aligned: Alignment, zone: BoolArray) -> list[Measure]:
    if not share_voxel_grid(aligned):
        return []
    share = equal_share(aligned.earlier.scan.voxels, aligned.later.scan.voxels, where=zone)
    message = (
        f"{share:.0%} of the voxels outside the lesion repeat {pair_name(aligned)}, value for "
        "value; real rescans share hardly any"
    )
    headline = f"Follow-up is a copy of the earlier scan ({share:.0%} of the voxels)"
    return [Measure("equal_share", share, "", message, headline)]


def _noise_measures(aligned: Alignment, zone: BoolArray) -> list[Measure]:
    """Noise along the two finest axes; none where the pixels of either scan are too coarse."""
    earlier, later = aligned.earlier.scan, aligned.later.scan
    pixel = max(float(np.sort(spacing_of(scan.affine))[1]) for scan in (earlier, later))
    if pixel > MAX_NOISE_PIXEL or not zone.any():
        return []
    box, affine = _central_box(zone, later.affine)
    moving = resample(
        earlier.voxels,
        earlier.affine,
        to_affine=affine,
        to_shape=zone[box].shape,
        mapping=aligned.mapping,
        order=3,
    )
    sigmas = np.ones(3)
    sigmas[int(np.argmax(spacing_of(later.affine)))] = 0.0
    noise = noise_correlation(later.voxels[box], moving, where=zone[box], sigmas=sigmas.tolist())
    if noise is None:
        return []
    message = (
        f"the noise repeats {pair_name(aligned)}, so the later scan was made from the earlier one"
    )
    headline = "Follow-up repeats the noise of the earlier scan"
    return [Measure("noise_correlation", noise, "", message, headline)]


def _central_box(zone: BoolArray, affine: Affine) -> tuple[tuple[slice, ...], Affine]:
    """A cube in the middle of the zone's bounding box, and the affine of its own indices."""
    sides = ndimage.find_objects(zone.astype(np.uint8))[0]
    half = NOISE_BOX_VOXELS // 2
    middles = [(side.start + side.stop) // 2 for side in sides]
    box = tuple(
        slice(max(side.start, middle - half), min(side.stop, middle + half))
        for side, middle in zip(sides, middles, strict=True)
    )
    shifted = affine.copy()
    shifted[:3, 3] = (affine @ [*(float(side.start) for side in box), 1.0])[:3]
    return box, shifted
