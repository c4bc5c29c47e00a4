"""A check of one's own: `safegen_scan` gives every scan of the release, one test each."""

from __future__ import annotations

import numpy as np

from pytest_safegen import Scan

LITRES = (0.9, 2.2)
"""Brains of adults with the fluid in and around them, with a margin for brain extraction."""


def test_brain_volume_is_human(safegen_scan: Scan) -> None:
    voxel = abs(np.linalg.det(safegen_scan.affine[:3, :3])) / 1e6
    litres = np.count_nonzero(safegen_scan.voxels > 0) * voxel
    assert LITRES[0] < litres < LITRES[1], f"the brain has {litres:.2f} litres"
