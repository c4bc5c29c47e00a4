"""Estimates how tissue moves between two aligned scans.

A field is float32 (3, i, j, k): from each voxel of the fixed image to the same tissue in the moving
one, in mm along the axes of the grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_safegen.api import BoolArray, FloatArray

NORMALISATION_SIGMA = 4.0  # voxels of the surroundings that intensities are normalised by
PYRAMID_LEVELS = ((2, 40), (1, 20))  # shrink factor and iterations
FIELD_SIGMA, UPDATE_SIGMA = 1.5, 1.0  # voxels
SHELL = (6.0, 11.0)  # mm from a lesion: nearer, the field is held back by the lesion without force


def estimate_displacement(
    fixed: FloatArray, moving: FloatArray, *, where: BoolArray, spacing: float
) -> FloatArray:
    """The smooth field that takes the fixed image to the moving one.

    Demons with symmetric forces (Thirion 1998; Vercauteren et al. 2009) on two levels, on
    intensities normalised by their surroundings in `where`, so that bias and contrast do not pull.
    """
    images = [_itk_image(_normalise_locally(image, where), spacing) for image in (fixed, moving)]
    field: Any = None
    for shrink, iterations in PYRAMID_LEVELS:
        pair = [sitk.BinShrink(image, [shrink] * 3) if shrink > 1 else image for image in images]
        method = sitk.FastSymmetricForcesDemonsRegistrationFilter()
        method.SetNumberOfThreads(1)
        method.SetNumberOfWorkUnits(1)
        method.SetNumberOfIterations(iterations)
        method.SetSmoothDisplacementField(True)
        method.SetStandardDeviations(FIELD_SIGMA)
        method.SetSmoothUpdateField(True)
        method.SetUpdateFieldStandardDeviations(UPDATE_SIGMA)
        if field is None:
            field = method.Execute(*pair)
        else:
            initial = sitk.Resample(field, pair[0], sitk.Transform(), sitk.sitkLinear, 0.0)
            field = method.Execute(*pair, initial)
    return np.ascontiguousarray(sitk.GetArrayFromImage(field).T, np.float32)


def jacobian_determinant(field: FloatArray, *, spacing: float) -> FloatArray:
    """Determinant of the field's derivative plus one, (i, j, k): 1.1 is tissue 10 % larger."""
    gradients = np.stack([np.stack(np.gradient(one, spacing)) for one in field])
    jacobian = gradients + np.eye(3)[:, :, None, None, None]
    return np.asarray(np.linalg.det(np.moveaxis(jacobian, (0, 1), (-2, -1))), np.float32)


@dataclass(frozen=True, slots=True)
class Flux:
    """Tissue that moves through a surface around a lesion: `volume` in ml outwards, `area` mm2."""

    volume: float
    area: float


def flux(field: FloatArray, lesion: BoolArray, *, where: BoolArray, spacing: float) -> Flux | None:
    """The tissue that moves away from a lesion through a shell 6 to 11 mm outside it.

    The mean of u . n over the shell's voxels in `where`, times the shell's area; n points away
    from the lesion. None where less than half of the shell is in `where`.
    """
    distance = ndimage.distance_transform_edt(~lesion, sampling=spacing)
    shell = (distance > SHELL[0]) & (distance <= SHELL[1])
    inside = shell & where
    if not shell.any() or inside.sum() < 0.5 * shell.sum():
        return None
    normal = np.stack(np.gradient(ndimage.gaussian_filter(distance, 1.0), spacing))
    normal /= np.maximum(np.linalg.norm(normal, axis=0), 1e-6)
    outward = (field * normal).sum(axis=0)[inside]
    area = float(shell.sum()) * spacing**3 / (SHELL[1] - SHELL[0])
    return Flux(float(outward.mean()) * area / 1000.0, area)


def _normalise_locally(image: FloatArray, where: BoolArray) -> NDArray[np.float32]:
    weight = ndimage.gaussian_filter(where.astype(np.float32), NORMALISATION_SIGMA)
    weight = np.maximum(weight, 1e-3)
    inside = np.where(where, image, 0.0)
    mean = ndimage.gaussian_filter(inside, NORMALISATION_SIGMA) / weight
    square = ndimage.gaussian_filter(inside**2, NORMALISATION_SIGMA) / weight
    spread = np.sqrt(np.maximum(square - mean**2, 1e-4))
    return np.asarray(np.where(where, (image - mean) / spread, 0.0), np.float32)


def _itk_image(image: FloatArray, spacing: float) -> Any:
    converted = sitk.GetImageFromArray(np.ascontiguousarray(image.T))
    converted.SetSpacing([spacing] * 3)
    return converted
