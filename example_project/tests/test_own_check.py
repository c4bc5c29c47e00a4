"""A check of your own: `safegen_scan` is a scan of the release, one test each."""

from __future__ import annotations

import numpy as np

from pytest_safegen import Scan

LITRES = (0.9, 2.2)
"""Adult brains with cerebrospinal fluid, with a margin for brain extraction."""


def test_brain_volume_is_human(safegen_scan: Scan) -> None:
    voxel = abs(np.linalg.det(safegen_scan.affine[:3, :3])) / 1e6
    litres = np.count_nonzero(safegen_scan.voxels > 0) * voxel
    assert LITRES[0] < litres < LITRES[1], f"brain volume is {litres:.2f} litres"
