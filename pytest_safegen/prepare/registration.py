"""Rigid and affine registration by mutual information."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from pytest_safegen.core.errors import NotJudged
from pytest_safegen.core.scan import Prepared
from pytest_safegen.prepare.resample import halved, spacing_of

if TYPE_CHECKING:
    from pytest_safegen.core.scan import Affine


MAX_VOXELS = 250_000

LEARNING_RATES = (2.0, 0.5)  # the second is for a registration that diverged with the first

MAX_STRETCH = 2.0  # between two bodies; a diverged registration exceeds it


def register(
    fixed: Prepared,
    moving: Prepared,
    *,
    kind: Literal["rigid", "affine"],
    starts: int = 1,
) -> Affine:
    """The 4x4 map from mm in the fixed world to mm in the moving world, by mutual information.

    Mattes et al. 2003 (32 bins, two resolutions), from aligned centres of mass, on grids halved
    until they are small: at 4 mm the result is as good as at 2 mm, and five times faster. With
    `starts` > 1, rotations about two axes are tried too and the best result is taken.
    Deterministic: regular sampling, and one thread, for threads add up in changing order.

    Raises:
        NotJudged: no overlap, or only results that no body allows.
    """
    while fixed.voxels.size > MAX_VOXELS:
        fixed, moving = _coarser(fixed), _coarser(moving)
    images = _itk_image(fixed), _itk_image(moving)
    angles = [(0.0, 0.0, 0.0), (0.35, 0, 0), (-0.35, 0, 0), (0, 0, 0.35), (0, 0, -0.35)]
    tried = [_plausible(*images, fixed, moving, kind=kind, angles=own) for own in angles[:starts]]
    results = [result for result in tried if result is not None]
    if not results:
        raise NotJudged(
            "registration failed: the scan fits only if it is mirrored or distorted",
            headline="Registration failed",
        )
    return min(results, key=lambda result: result[0])[1]


def grid_frame(prepared: Prepared) -> Affine:
    """The frame whose origin is the middle of the grid, in mm along the grid's axes."""
    middle = (np.array(prepared.voxels.shape) - 1) / 2
    frame = prepared.affine @ np.diag([*(1 / spacing_of(prepared.affine)), 1.0])
    frame[:3, 3] = (prepared.affine @ [*middle, 1.0])[:3]
    return frame


def centre_of_mass_frame(prepared: Prepared) -> Affine:
    """The frame whose origin is the centre of mass of the body, in mm along the grid's axes."""
    frame = grid_frame(prepared)
    middle = ndimage.center_of_mass(prepared.body)
    frame[:3, 3] = (prepared.affine @ [*middle, 1.0])[:3]
    return frame


def _coarser(prepared: Prepared) -> Prepared:
    """The same scan on a grid of twice the spacing."""
    affine = prepared.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (prepared.affine @ [0.5, 0.5, 0.5, 1.0])[:3]
    body = halved(prepared.body.astype(np.float32)) > 0.5
    return Prepared(halved(prepared.voxels), body, affine, prepared.to_scan)


def _itk_image(prepared: Prepared) -> sitk.Image:
    """The prepared scan as an ITK image, its world coordinates unchanged: RAS, not LPS."""
    spacing = spacing_of(prepared.affine)
    image = sitk.GetImageFromArray(np.ascontiguousarray(prepared.voxels.T))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(prepared.affine[:3, 3].tolist())
    image.SetDirection((prepared.affine[:3, :3] / spacing).ravel().tolist())
    return image


def _plausible(
    fixed_image: sitk.Image,
    moving_image: sitk.Image,
    fixed: Prepared,
    moving: Prepared,
    *,
    kind: Literal["rigid", "affine"],
    angles: Sequence[float],
) -> tuple[float, Affine] | None:
    """Metric and map from one start, with a lower learning rate where the first one diverges.

    None if both diverge. A step is as long in the matrix as in mm: where the shift is right
    already, all of it goes into the matrix, and one step of 2 can turn a body inside out.
    """
    images = fixed_image, moving_image
    for rate in LEARNING_RATES:
        result = _register_once(*images, fixed, moving, kind=kind, angles=angles, rate=rate)
        if _is_plausible(result[1]):
            return result
    return None


def _is_plausible(mapping: Affine) -> bool:
    """True if one body can be mapped to another so: not mirrored, no length halved or doubled."""
    stretches = np.linalg.svd(mapping[:3, :3], compute_uv=False)
    in_shape = stretches.max() < MAX_STRETCH and stretches.min() > 1 / MAX_STRETCH
    return bool(in_shape and np.linalg.det(mapping[:3, :3]) > 0)


def _register_once(
    fixed_image: sitk.Image,
    moving_image: sitk.Image,
    fixed: Prepared,
    moving: Prepared,
    *,
    kind: Literal["rigid", "affine"],
    angles: Sequence[float],
    rate: float,
) -> tuple[float, Affine]:
    transform = _start(fixed, moving, kind=kind, angles=angles)
    method = _registration_method(transform, rate=rate)
    try:
        method.Execute(fixed_image, moving_image)
    except RuntimeError as problem:
        raise NotJudged(
            "registration failed: the scans hardly overlap",
            headline="Registration failed: hardly any overlap",
        ) from problem
    return float(method.GetMetricValue()), _matrix(transform)


def _start(
    fixed: Prepared, moving: Prepared, *, kind: Literal["rigid", "affine"], angles: Sequence[float]
) -> Any:
    """A transform about the fixed body's centre that brings the centres of mass together."""
    centres = [centre_of_mass_frame(scan)[:3, 3] for scan in (fixed, moving)]
    rigid = sitk.Euler3DTransform(
        centres[0].tolist(), *(float(angle) for angle in angles), (centres[1] - centres[0]).tolist()
    )
    if kind == "rigid":
        return rigid
    affine = sitk.AffineTransform(3)
    affine.SetCenter(rigid.GetCenter())
    affine.SetMatrix(rigid.GetMatrix())
    affine.SetTranslation(rigid.GetTranslation())
    return affine


def _registration_method(transform: Any, *, rate: float) -> sitk.ImageRegistrationMethod:
    """Finds `transform`, in place, from where it is."""
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentagePerLevel([1.0, 0.15], 1)
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([1.5, 0.5])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=rate,
        minStep=0.005,
        numberOfIterations=50,
        relaxationFactor=0.5,
        gradientMagnitudeTolerance=1e-6,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    return method


def _matrix(transform: Any) -> Affine:
    """The 4x4 matrix of an ITK transform about a centre."""
    linear = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, shift = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = shift + centre - linear @ centre
    return matrix
