"""The picture of a series: where the pair that is least alike differs, or what it repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.model import Heatmap
from pytest_safegen.prepare import to_scan_grid
from safegen_detectors.longitudinal.pair_measures import between, smooth_match
from safegen_detectors.longitudinal.rules import (
    CHANGED_PLACE_LIMIT,
    DEPTH_OUTSIDE_LIMIT,
    EQUAL_SHARE_LIMIT,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen_detectors.longitudinal.alignment import Alignment
    from safegen_detectors.longitudinal.timepoints import Timepoint


def change_heatmap(aligned: Alignment) -> Heatmap:
    """Lack of local match outside the lesion, on the later scan's grid; 1.0 is a match of 0.70."""
    lack = np.where(aligned.zone, 1.0 - smooth_match(aligned), 0.0) / (1.0 - CHANGED_PLACE_LIMIT)
    scan = aligned.later.scan
    values = to_scan_grid(lack.astype(np.float32), aligned.later.prepared, scan)
    meaning = (
        f"anatomy outside the lesion that changes {between(aligned)}: 1.0 is a local match of "
        f"{CHANGED_PLACE_LIMIT:.2f}"
    )
    return Heatmap(values, scan.affine, meaning, of=scan.ref.target)


def copy_heatmap(aligned: Alignment) -> Heatmap:
    """Local share of repeated values; both scans must lie on one grid."""
    earlier, later = aligned.earlier.scan.voxels, aligned.later.scan.voxels
    equal = (earlier == later) & (later > later.min())
    share = ndimage.uniform_filter(equal.astype(np.float32), 7) / EQUAL_SHARE_LIMIT
    meaning = f"share of voxels repeated {between(aligned)}: 1.0 is {EQUAL_SHARE_LIMIT:.0%}"
    scan = aligned.later.scan
    return Heatmap(share, scan.affine, meaning, of=scan.ref.target)


def outside_heatmap(point: Timepoint, depths: NDArray[np.float64]) -> Heatmap:
    """How far each voxel of the scan's lesion mask lies outside the body, on the scan's grid."""
    scan = point.scan
    values = np.zeros(scan.voxels.shape, dtype=np.float32)
    values[np.asarray(scan.mask)] = depths / DEPTH_OUTSIDE_LIMIT
    meaning = f"lesion mask outside the body: 1.0 is {DEPTH_OUTSIDE_LIMIT:g} mm"
    return Heatmap(values, scan.affine, meaning, of=scan.ref.target)
