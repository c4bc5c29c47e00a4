"""Tissue of another patient, aligned to a scan, for the faults that need it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.anomaly.cohort import target_of
from pytest_safegen import NotJudged, Scan, ScanRef
from pytest_safegen.api import Canvas, Template, read_scan, resample
from pytest_safegen.faults import canvas_of


def donor_voxels(
    canvas: Canvas, scan: Scan, refs: Sequence[ScanRef], place: int, template: Template
) -> NDArray[np.float32] | None:
    """Another test patient's voxels on the grid and scale of a scan; None if there is none.

    Both are aligned to the template, so that the donor's tissue comes from the same place.
    """
    others = [ref for ref in refs if ref.subject != scan.ref.subject]
    if not others:
        return None
    donor = read_scan(others[place % len(others)])
    try:
        here, there = (target_of(one, template).prepared for one in (scan, donor))
    except NotJudged:
        return None
    assert here is not None  # noqa: S101  target_of prepares
    assert there is not None  # noqa: S101  as above
    other = canvas_of(donor)
    moved = resample(
        donor.voxels,
        donor.affine,
        to_affine=scan.affine,
        to_shape=scan.voxels.shape,
        mapping=there.to_scan @ np.linalg.inv(here.to_scan),
        fill=other.floor,
    )
    gain = canvas.contrast / other.contrast if other.contrast > 0 else 1.0
    matched = (moved - np.float32(other.floor)) * np.float32(gain) + np.float32(canvas.floor)
    return np.asarray(matched, dtype=np.float32)
