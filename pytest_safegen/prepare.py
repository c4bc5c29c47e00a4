"""Bring scans onto a common grid: orientation, spacing, intensity, body mask, alignment.

This is the one place that resamples. A `Prepared` scan lies on an isotropic RAS grid, either its
own (`canonical`) or the grid of a `Template` that the reference scans made (`align`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen.errors import NotJudged
from pytest_safegen.model import Prepared, Scan

if TYPE_CHECKING:
    from pytest_safegen.model import Affine, BoolArray, FloatArray

# Threads add floating-point numbers in changing order, and the same scan must get the same score.
# Scans are worked on side by side instead.
sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)

Intensity = Literal["mr", "ct"]
Alignment = Literal["affine", "centre"]

VOXELS_ALONG_LONGEST_SIDE = 128
FINEST_SPACING = 0.5
HOUNSFIELD_FLOOR, HOUNSFIELD_CEILING = -1000.0, 1000.0
FIGURE_BELOW_AIR = -200.0  # no MR scanner stores values this negative; every CT with air does
FEWEST_BODY_VOXELS = 200
SMALLEST_BODY_PART = 100.0  # mm; what is smaller is a crop, and has no outline to align
LEVEL_OF_TISSUE = 0.8  # where the upper quartile of the body is put
VOXELS_TO_REGISTER = 250_000
STEPS = (2.0, 0.5)  # first steps of a registration, the second where the first went astray
MOST_STRETCH = 2.0  # between two bodies; a registration that went astray exceeds it
STATED = 0.2  # share of a voxel's volume from which on it counts as stated pathology
VOXELS_FOR_A_LOOK = 500_000  # enough to see whether tissue reaches the border


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """How scans of one cohort are prepared.

    `spacing` in mm; `intensity` is the kind of scale; `align` is "affine" for scans that show a
    whole body part with background around it, "centre" for crops that tissue fills to the border.
    """

    spacing: float
    intensity: Intensity
    align: Alignment


@dataclass(frozen=True, slots=True)
class Template:
    """The mean of the reference scans on their common grid.

    `voxels` float32 (i, j, k); `body` float32 (i, j, k), share of scans with body there; `affine`
    4x4 to mm in the template's own world.
    """

    voxels: FloatArray
    body: FloatArray
    affine: Affine
    options: PrepareOptions

    def as_prepared(self) -> Prepared:
        """The template as a scan that others can be registered to."""
        return Prepared(self.voxels, self.body > 0.5, self.affine, np.eye(4))


def spacing_of(affine: Affine) -> NDArray[np.float64]:
    """Voxel size in mm along i, j and k."""
    return np.asarray(nib.affines.voxel_sizes(affine), dtype=np.float64)


def guess_options(scan: Scan, *, spacing: float | None = None) -> PrepareOptions:
    """Options that suit one scan, from its values, its extent and its border."""
    intensity = _guess_intensity(scan)
    voxel = spacing_of(scan.affine)
    longest = float(np.max(voxel * scan.voxels.shape))
    coarse = np.ceil(2 * longest / VOXELS_ALONG_LONGEST_SIDE) / 2
    native = max(round(float(voxel.min()), 1), FINEST_SPACING)
    cropped = longest < SMALLEST_BODY_PART or _tissue_reaches_border(scan, intensity)
    align: Alignment = "centre" if cropped else "affine"
    return PrepareOptions(spacing or float(max(coarse, native)), intensity, align)


def common_options(options: Sequence[PrepareOptions]) -> PrepareOptions:
    """Options for a whole cohort: median spacing, and what most scans need."""
    spacing = float(np.median([option.spacing for option in options]))
    cropped = sum(option.align == "centre" for option in options)
    hounsfield = sum(option.intensity == "ct" for option in options)
    half = len(options) / 2
    return PrepareOptions(
        spacing,
        "ct" if hounsfield > half else "mr",
        "centre" if cropped > half else "affine",
    )


def canonical(scan: Scan, options: PrepareOptions) -> Prepared:
    """The scan on an isotropic grid along its own axes, nearest to RAS, in its own world.

    Raises:
        NotJudged: voxels that are not finite, or nothing but one value.
    """
    if not np.isfinite(scan.voxels).all():
        raise NotJudged("the scan has voxels that are not finite, so it cannot be compared")
    values, affine = _closest_to_ras(scan.voxels, scan.affine)
    values, affine = _isotropic(values, affine, options.spacing)
    scaled, body = _normalise(values, options)
    own = Prepared(_frozen(scaled), _frozen(body), affine, np.eye(4), intensity=options.intensity)
    return replace(own, pathology=_stated(scan, own))


def align(prepared: Prepared, template: Template) -> Prepared:
    """The scan on the template's grid, after affine registration or centring.

    Raises:
        NotJudged: the scan and the template have no overlap to register.
    """
    mapping = _mapping(prepared, template)
    voxels, share = _laid_over(prepared, template.affine, template.voxels.shape, mapping)
    body = share > 0.5
    if body.sum() < FEWEST_BODY_VOXELS:
        raise NotJudged("after alignment nothing of the scan lies where the reference scans are")
    similarity = correlation(voxels, template.voxels, where=template.body > 0.5)
    return Prepared(_frozen(voxels), _frozen(body), template.affine, mapping, similarity)


def build_template(
    scans: Sequence[Prepared], options: PrepareOptions, *, rounds: int = 2
) -> Template:
    """Mean of some prepared scans, aligned to their own running mean `rounds` times."""
    template = _first_template(scans, options)
    for _ in range(rounds if options.align == "affine" else 1):
        template = _mean_of([align(scan, template) for scan in scans], template)
    return template


def to_scan_grid(values: FloatArray, prepared: Prepared, scan: Scan) -> FloatArray:
    """A map on the prepared grid, as float32 on the grid of the scan; 0 outside."""
    return resample(
        values,
        prepared.affine,
        to_affine=scan.affine,
        to_shape=scan.voxels.shape,
        mapping=np.linalg.inv(prepared.to_scan).astype(np.float64),
    )


def onto_prepared_grid(values: FloatArray, prepared: Prepared, scan: Scan) -> FloatArray:
    """A map on the grid of the scan, as float32 on the prepared grid; 0 outside."""
    return resample(
        values,
        scan.affine,
        to_affine=prepared.affine,
        to_shape=prepared.voxels.shape,
        mapping=prepared.to_scan,
    )


def world(prepared: Prepared, index: Sequence[int]) -> tuple[float, float, float]:
    """Where a voxel of the prepared grid lies in the scan: mm, RAS+."""
    x, y, z = (prepared.to_scan @ prepared.affine @ [*map(float, index), 1.0])[:3]
    return float(x), float(y), float(z)


def resample(
    values: NDArray[Any],
    affine: Affine,
    *,
    to_affine: Affine,
    to_shape: Sequence[int],
    mapping: Affine | None = None,
    order: int = 1,
    fill: float = 0.0,
) -> FloatArray:
    """`values` (i, j, k) on another grid, float32; `fill` outside.

    `mapping` 4x4 takes mm in the world of `to_affine` to mm in the world of `affine` (default:
    the same world). `order` 0 is nearest, 1 linear, 3 cubic B-spline.
    """
    step = np.eye(4) if mapping is None else mapping
    index = np.linalg.inv(affine) @ step @ to_affine
    transform = sitk.AffineTransform(index[:3, :3].ravel().tolist(), index[:3, 3].tolist())
    interpolator = {0: sitk.sitkNearestNeighbor, 1: sitk.sitkLinear, 3: sitk.sitkBSpline}[order]
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.T, dtype=np.float32))
    size = [int(n) for n in to_shape]
    grid = sitk.Image(size, sitk.sitkUInt8)
    moved = sitk.Resample(image, grid, transform, interpolator, fill, sitk.sitkFloat32)
    return np.ascontiguousarray(sitk.GetArrayFromImage(moved).T)


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


def halved(volume: FloatArray) -> FloatArray:
    """Means over cubes of 2 x 2 x 2 voxels of (i, j, k); an odd last slice is dropped."""
    i, j, k = (n // 2 for n in volume.shape)
    cubes = volume[: 2 * i, : 2 * j, : 2 * k].reshape(i, 2, j, 2, k, 2)
    return np.asarray(cubes.mean((1, 3, 5)), dtype=np.float32)


def correlation(a: FloatArray, b: FloatArray, *, where: BoolArray) -> float:
    """Pearson's correlation of two maps over some voxels; 0 where one is constant."""
    x, y = a[where].astype(np.float64), b[where].astype(np.float64)
    if x.size < 2 or x.std() == 0 or y.std() == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def _stated(scan: Scan, own: Prepared) -> BoolArray | None:
    """The scan's mask of pathology on its prepared grid; None where nothing is stated."""
    if scan.mask is None or not scan.mask.any():
        return None
    share = onto_prepared_grid(scan.mask.astype(np.float32), own, scan)
    return _frozen(share > STATED)


def _guess_intensity(scan: Scan) -> Intensity:
    finite = scan.voxels[np.isfinite(scan.voxels)]
    lowest = float(finite.min()) if finite.size else 0.0
    named = (scan.ref.modality or "").lower()
    return "ct" if named == "ct" or (not named and lowest <= FIGURE_BELOW_AIR) else "mr"


def _tissue_reaches_border(scan: Scan, intensity: Intensity) -> bool:
    step = max(1, round((scan.voxels.size / VOXELS_FOR_A_LOOK) ** (1 / 3)))
    body = _body(np.nan_to_num(scan.voxels[::step, ::step, ::step]), intensity)
    faces = [np.take(body, index, axis).ravel() for axis in range(3) for index in (0, -1)]
    touched = sum(face.mean() > 0.3 for face in faces)
    return bool(touched >= 5)


def _closest_to_ras(values: FloatArray, affine: Affine) -> tuple[FloatArray, Affine]:
    turn = nib.orientations.io_orientation(affine)
    turned = nib.orientations.apply_orientation(values, turn)
    back = nib.orientations.inv_ornt_aff(turn, values.shape)
    return np.ascontiguousarray(turned, dtype=np.float32), affine @ back


def _isotropic(values: FloatArray, affine: Affine, spacing: float) -> tuple[FloatArray, Affine]:
    """Resample to cubes of `spacing` mm, smoothing first along axes that lose resolution."""
    factor = spacing / spacing_of(affine)
    if np.allclose(factor, 1.0, atol=1e-3):
        return values, affine
    sigma = [0.0 if f <= 1.2 else 0.4 * float(f) for f in factor]
    smooth = ndimage.gaussian_filter(values, sigma) if any(sigma) else values
    shape = np.maximum(np.round(np.array(values.shape) / factor), 1).astype(int)
    grid = affine @ np.diag([*factor, 1.0])
    grid[:3, 3] = (affine @ [*(factor / 2 - 0.5), 1.0])[:3]
    return resample(
        smooth, affine, to_affine=grid, to_shape=shape.tolist(), fill=float(values.min())
    ), grid


def _normalise(values: FloatArray, options: PrepareOptions) -> tuple[FloatArray, BoolArray]:
    if float(values.max()) == float(values.min()):
        raise NotJudged("all voxels of the scan have the same value, so there is nothing to judge")
    whole = np.ones(values.shape, dtype=bool)
    body = whole if options.align == "centre" else _body(values, options.intensity)
    if body.sum() < FEWEST_BODY_VOXELS:
        raise NotJudged("hardly any voxel of the scan stands out from its background")
    if options.intensity == "ct":
        low, high = HOUNSFIELD_FLOOR, HOUNSFIELD_CEILING
        return np.clip((values - low) / (high - low), 0.0, 1.0).astype(np.float32), body
    low = _background_value(values) if options.align == "affine" else _percentile(values, 1)
    level = _percentile(values[body], 75)  # not the top, which a bright fault would move
    scaled = LEVEL_OF_TISSUE * (values - low) / max(level - low, float(np.finfo(np.float32).tiny))
    return np.clip(scaled, -0.25, 2.0).astype(np.float32), body


def _body(values: FloatArray, intensity: Intensity) -> BoolArray:
    """Where the body is: above air in CT, above the background in MR; holes filled."""
    if intensity == "ct":
        raw = values > -500.0
    else:
        low = _background_value(values)
        top = _percentile(values, 99)
        raw = values > low + 0.05 * (top - low)
    return np.asarray(ndimage.binary_fill_holes(_largest_part(raw)), dtype=bool)


def _background_value(values: FloatArray) -> float:
    """The lowest value if the background is blank, else a low percentile."""
    lowest = float(values.min())
    blank = float(np.mean(values <= lowest + 1e-6 * max(abs(lowest), 1.0))) > 0.05
    return lowest if blank else _percentile(values, 2)


def _largest_part(raw: BoolArray) -> BoolArray:
    opened = ndimage.binary_opening(raw, iterations=1)
    labels, count = ndimage.label(opened)
    if count == 0:
        return raw
    sizes = np.bincount(labels.ravel())[1:]
    kept = labels == 1 + int(np.argmax(sizes))
    return np.asarray(ndimage.binary_dilation(kept, iterations=1) & raw, dtype=bool)


def _percentile(values: FloatArray, percent: float) -> float:
    sample = values.ravel()[:: max(1, values.size // 200_000)]
    return float(np.percentile(sample, percent))


def _mapping(prepared: Prepared, template: Template) -> Affine:
    if template.options.align == "centre":
        return _grid_centre(prepared) @ np.linalg.inv(_grid_centre(template.as_prepared()))
    return register(template.as_prepared(), prepared, kind="affine")


def _grid_centre(prepared: Prepared) -> Affine:
    """The frame whose origin is the middle of the grid, in mm along the grid's axes."""
    middle = (np.array(prepared.voxels.shape) - 1) / 2
    frame = prepared.affine @ np.diag([*(1 / spacing_of(prepared.affine)), 1.0])
    frame[:3, 3] = (prepared.affine @ [*middle, 1.0])[:3]
    return frame


def _first_template(scans: Sequence[Prepared], options: PrepareOptions) -> Template:
    """The plain mean of the scans, laid over each other by their centres."""
    shapes = np.array([scan.voxels.shape for scan in scans])
    margin = 0 if options.align == "centre" else 8
    shape = np.round(np.median(shapes, axis=0)).astype(int) + margin
    affine = np.diag([options.spacing] * 3 + [1.0])
    affine[:3, 3] = [-options.spacing * (int(n) - 1) / 2 for n in shape]
    means, bodies = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for scan in scans:
        frame = _grid_centre(scan) if options.align == "centre" else _mass_centre(scan)
        voxels, share = _laid_over(scan, affine, shape.tolist(), frame)
        means += voxels / len(scans)
        bodies += share / len(scans)
    return Template(means, bodies, affine, options)


def _laid_over(
    prepared: Prepared, affine: Affine, shape: Sequence[int], mapping: Affine
) -> tuple[FloatArray, FloatArray]:
    """Voxels and share of body of a prepared scan on another grid, float32 both."""
    body = prepared.body.astype(np.float32)
    return (
        resample(
            prepared.voxels, prepared.affine, to_affine=affine, to_shape=shape, mapping=mapping
        ),
        resample(body, prepared.affine, to_affine=affine, to_shape=shape, mapping=mapping),
    )


def _mass_centre(prepared: Prepared) -> Affine:
    frame = _grid_centre(prepared)
    middle = ndimage.center_of_mass(prepared.body)
    frame[:3, 3] = (prepared.affine @ [*middle, 1.0])[:3]
    return frame


def _mean_of(aligned: Iterable[Prepared], template: Template) -> Template:
    pairs = [(scan.voxels, scan.body) for scan in aligned]
    voxels, body = np.zeros_like(template.voxels), np.zeros_like(template.body)
    for one, its_body in pairs:
        voxels += one / len(pairs)
        body += its_body / len(pairs)
    return Template(voxels, body, template.affine, template.options)


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
    frames = [_mass_centre(scan)[:3, 3] for scan in (fixed, moving)]
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


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array
