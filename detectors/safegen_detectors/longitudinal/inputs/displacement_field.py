"""Reads the displacement field that a generator supplies with a follow-up."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from pytest_safegen.api import ReadError
from safegen_detectors.longitudinal.inputs.geometry import inverse

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_safegen.api import Affine, FloatArray

MAX_VECTORS = 2**25
SLAB_PLANES = 16  # planes at once: a slab takes some 200 bytes a vector
MIN_VOXEL_VOLUME = 1e-9  # mm3
LPS_TO_RAS = np.array([-1.0, -1.0, 1.0], np.float32)


@dataclass(frozen=True, slots=True)
class DisplacementField:
    """Displacements float32 (3, i, j, k) in mm, RAS+, at the voxels of a grid."""

    vectors: FloatArray
    affine: Affine

    def jacobian(self) -> FloatArray:
        """Determinant of the map's derivative at each voxel, (i, j, k); 0 and less is a fold."""
        count = self.vectors.shape[1]
        determinant = np.empty(self.vectors.shape[1:], np.float32)
        back = inverse(self.affine)[:3, :3].astype(np.float32)
        for start in range(0, count, SLAB_PLANES):
            low, high = max(start - 1, 0), min(start + SLAB_PLANES + 1, count)
            part = _slab_jacobian(self.vectors[:, low:high], back)
            determinant[start : start + SLAB_PLANES] = part[start - low : start - low + SLAB_PLANES]
        return determinant


def _slab_jacobian(vectors: FloatArray, back: NDArray[np.float32]) -> FloatArray:
    """The determinant at each voxel of a slab; `back` (3, 3) takes mm to voxel indices."""
    steps = np.stack([np.stack(np.gradient(one)) for one in vectors])  # (to, index, ...)
    gradients = np.einsum("ta...,aw->...tw", steps, back)
    return np.asarray(np.linalg.det(gradients + np.eye(3, dtype=np.float32)), np.float32)


def read_displacement_field(path: Path, name: str) -> DisplacementField:
    """A field as ITK, ANTs and elastix write it: NIfTI (i, j, k, 1, 3), vectors in mm, LPS+.

    Raises:
        ReadError: the file is something else; the message calls it `name`.
    """
    try:
        image = nibabel.Nifti1Image.from_filename(path, mmap=False)
        shape = image.shape
        if len(shape) != 5 or shape[3:] != (1, 3) or min(shape) < 1 or min(shape[:3]) < 2:
            raise ReadError(
                f"{name} has the shape {' x '.join(map(str, shape))}; a displacement field has "
                "i x j x k x 1 x 3, as ITK and ANTs write it."
            )
        if np.prod(shape[:3], dtype=np.int64) > MAX_VECTORS:
            raise ReadError(
                f"{name} has more than {MAX_VECTORS} vectors; save it on a coarser grid."
            )
        values = image.get_fdata(dtype=np.float32, caching="unchanged")
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError) as problem:
        raise ReadError(f"{name} is not a readable NIfTI file: {problem}") from problem
    if abs(np.linalg.det(image.affine[:3, :3])) < MIN_VOXEL_VOLUME:
        raise ReadError(f"{name} has a singular affine; re-export it.")
    if not np.isfinite(values).all():
        raise ReadError(f"{name} has vectors that are not finite; re-export it.")
    vectors = np.moveaxis(values[:, :, :, 0, :] * LPS_TO_RAS, -1, 0)
    return DisplacementField(
        np.ascontiguousarray(vectors, np.float32), np.array(image.affine, np.float64)
    )
