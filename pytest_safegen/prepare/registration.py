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


VOXELS_TO_REGISTER = 250_000

STEPS = (2.0, 0.5)  # first steps of a registration, the second where the first went astray

MOST_STRETCH = 2.0  # between two bodies; a registration that went astray exceeds it


def register(
    fixed: Prepared,
    moving: Prepared,
    *,
    kind: Literal["rigid", "affine"],
    starts: int = 1,
) -> Affine:
    """The 4x4 map from mm in the fixed world to mm in the moving world, by mutual information.

    Mattes et al. 2003 (32 bins, two resolutions), from aligned centres of mass, on grids halved
    until they are small: at 4 mm the end is as good as at 2 mm and five times quicker. With
    `starts` > 1, turns about two axes are tried too and the best end is kept. Deterministic:
    regular sampling, one thread.

    Raises:
        NotJudged: no overlap, or nothing but ends where no body can be.
    """
    while fixed.voxels.size > VOXELS_TO_REGISTER:
        fixed, moving = _coarser(fixed), _coarser(moving)
    images = _itk(fixed), _itk(moving)
    turns = [(0.0, 0.0, 0.0), (0.35, 0, 0), (-0.35, 0, 0), (0, 0, 0.35), (0, 0, -0.35)]
    tried = [_possible_end(*images, fixed, moving, kind=kind, turn=t) for t in turns[:starts]]
    ends = [end for end in tried if end is not None]
    if not ends:
        raise NotJudged("the scan could not be registered: it fits only mirrored or out of shape")
    return min(ends, key=lambda end: end[0])[1]


def grid_frame(prepared: Prepared) -> Affine:
    """The frame whose origin is the middle of the grid, in mm along the grid's axes."""
    middle = (np.array(prepared.voxels.shape) - 1) / 2
    frame = prepared.affine @ np.diag([*(1 / spacing_of(prepared.affine)), 1.0])
    frame[:3, 3] = (prepared.affine @ [*middle, 1.0])[:3]
    return frame


def mass_frame(prepared: Prepared) -> Affine:
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


def _itk(prepared: Prepared) -> sitk.Image:
    """The prepared scan as an ITK image; its world is kept as it is, RAS numbers and all."""
    spacing = spacing_of(prepared.affine)
    image = sitk.GetImageFromArray(np.ascontiguousarray(prepared.voxels.T))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(prepared.affine[:3, 3].tolist())
    image.SetDirection((prepared.affine[:3, :3] / spacing).ravel().tolist())
    return image


def _possible_end(
    fixed_image: sitk.Image,
    moving_image: sitk.Image,
    fixed: Prepared,
    moving: Prepared,
    *,
    kind: Literal["rigid", "affine"],
    turn: Sequence[float],
) -> tuple[float, Affine] | None:
    """The end of one start, with a gentler step where the first went astray; None if both did.

    A step is as long in the matrix as in mm: where the shift is right already, all of it goes into
    the matrix, and one step of 2 can turn a body inside out.
    """
    images = fixed_image, moving_image
    for step in STEPS:
        end = _register_once(*images, fixed, moving, kind=kind, turn=turn, step=step)
        if _is_possible(end[1]):
            return end
    return None


def _is_possible(mapping: Affine) -> bool:
    """Whether one body can lie over another so: not mirrored, no length halved or doubled."""
    stretches = np.linalg.svd(mapping[:3, :3], compute_uv=False)
    in_shape = stretches.max() < MOST_STRETCH and stretches.min() > 1 / MOST_STRETCH
    return bool(in_shape and np.linalg.det(mapping[:3, :3]) > 0)


def _register_once(
    fixed_image: sitk.Image,
    moving_image: sitk.Image,
    fixed: Prepared,
    moving: Prepared,
    *,
    kind: Literal["rigid", "affine"],
    turn: Sequence[float],
    step: float,
) -> tuple[float, Affine]:
    start = _start(fixed, moving, kind=kind, turn=turn)
    method = _registration_method(start, step=step)
    try:
        method.Execute(fixed_image, moving_image)
    except RuntimeError as problem:
        raise NotJudged("the scan could not be registered: too little of it overlaps") from problem
    return float(method.GetMetricValue()), _matrix(start)


def _start(
    fixed: Prepared, moving: Prepared, *, kind: Literal["rigid", "affine"], turn: Sequence[float]
) -> Any:
    """A transform about the fixed body's centre that lays the centres of mass over each other."""
    frames = [mass_frame(scan)[:3, 3] for scan in (fixed, moving)]
    rigid = sitk.Euler3DTransform(
        frames[0].tolist(), *(float(t) for t in turn), (frames[1] - frames[0]).tolist()
    )
    if kind == "rigid":
        return rigid
    affine = sitk.AffineTransform(3)
    affine.SetCenter(rigid.GetCenter())
    affine.SetMatrix(rigid.GetMatrix())
    affine.SetTranslation(rigid.GetTranslation())
    return affine


def _registration_method(start: Any, *, step: float) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentagePerLevel([1.0, 0.15], 1)
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([1.5, 0.5])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=step,
        minStep=0.005,
        numberOfIterations=50,
        relaxationFactor=0.5,
        gradientMagnitudeTolerance=1e-6,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=True)
    return method


def _matrix(transform: Any) -> Affine:
    """The 4x4 matrix of an ITK transform about a centre."""
    linear = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, shift = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = shift + centre - linear @ centre
    return matrix
