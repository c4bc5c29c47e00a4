"""How the grids of two scans differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from pytest_safegen.api import spacing_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_safegen.api import Affine


def inverse(affine: Affine) -> Affine:
    """The map back."""
    return np.asarray(np.linalg.inv(affine), dtype=np.float64)


def axis_codes(affine: Affine) -> str:
    """Where the axes i, j, k point, such as "RAS"."""
    return "".join(str(code) for code in nib.orientations.aff2axcodes(affine))


def spacing_to_ras(affine: Affine) -> NDArray[np.float64]:
    """Voxel size in mm along the axes nearest to right, anterior and superior."""
    axes = nib.orientations.io_orientation(affine)[:, 0].astype(int)
    spacing = np.empty(3)
    spacing[axes] = spacing_of(affine)
    return spacing


def spacing_change(first: Affine, second: Affine) -> float:
    """The largest relative change of voxel size along one anatomical axis, 0 for none."""
    a, b = spacing_to_ras(first), spacing_to_ras(second)
    return float(np.max(np.abs(a - b) / np.minimum(a, b)))


def same_spacing(first: Affine, second: Affine) -> bool:
    """True where the voxel size is the same along each anatomical axis, to 1 %."""
    return spacing_change(first, second) <= 0.01


def voxel_volume(affine: Affine) -> float:
    """The volume of a voxel in ml."""
    return float(np.prod(spacing_of(affine))) / 1000.0


def same_grid(first: Affine, second: Affine) -> bool:
    """True where two affines put each voxel at the same place, to 0.001 mm."""
    return bool(np.allclose(first, second, atol=1e-3))


def mean_size_change(mapping: Affine) -> float:
    """The mean change of lengths by an affine map, |det^(1/3) - 1|; 0 for a rigid one."""
    return float(abs(np.cbrt(np.linalg.det(mapping[:3, :3])) - 1.0))
