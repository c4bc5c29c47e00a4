"""A patient scanned again: lesion, mass effect, atrophy, new noise, bias and head position.

The anatomy is sampled once through one map, from the visit's grid to the patient's, so that no
visit is a resampled copy of another.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.longitudinal_parts.patients import Patient
from pytest_safegen import Scan, ScanRef
from pytest_safegen.api import spacing_of

Points = NDArray[np.float64]

STIFF = 15.0  # mm below the surface of the brain in which displacement fades
REACH_OF_ATROPHY = 12.0  # mm from the ventricles
CORE, RIM = 0.5, 1.25  # of the white matter's intensity


@dataclass(frozen=True, slots=True)
class Lesion:
    """A lump of some mm radius, `away` mm (RAS) from the patient's place for it."""

    radius: float
    away: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shape: int = 0


@dataclass(frozen=True, slots=True)
class Visit:
    """What a follow-up brings. `mass_effect` is the share of the lesion that displaces tissue.

    `loss` is the share of brain volume that is gone; `turn` degrees, `shift` mm; `noise` in units
    of the patient's; `grid` the voxel size in mm where it is not the patient's own.
    """

    months: float
    lesions: tuple[Lesion, ...] = ()
    mass_effect: float = 0.3
    loss: float = 0.0
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    noise: float = 1.0
    noise_seed: int = 0
    bias: float = 0.0
    gain: float = 1.0
    gamma: float = 1.0
    grid: tuple[float, float, float] | None = None
    labels: dict[str, str] = field(default_factory=dict)


def scanned(patient: Patient, visit: Visit, number: int) -> Scan:
    """The scan of one visit with its mask, in whole numbers from 0 to 255."""
    affine, shape = _grid(patient, visit)
    places = _moved(_moved(_voxels(shape), affine), _pose(patient, visit))
    near = _sampled(patient.depth, places, patient.affine, order=1) > 0
    source, wall = _before(patient, visit, places[near])
    found = _sampled(patient.spline, source, patient.affine, order=3, prefilter=False)
    values, brain = np.zeros(len(places), dtype=np.float32), np.zeros(len(places), dtype=bool)
    values[near] = _painted(found, wall, patient.tissue)
    share = _sampled(patient.brain.astype(np.float32), source, patient.affine, order=1)
    brain[near] = share > 0.5
    lump = np.full(len(places), np.inf)
    lump[near] = wall
    values, brain, lump = (flat.reshape(shape) for flat in (values, brain, lump))
    seen = _acquired(values, brain, patient, visit)
    mask = (lump <= 1.0) & brain if visit.lesions else None
    return Scan(_ref(patient, visit, number), seen, affine, mask, "uint8")


def middle(patient: Patient) -> Points:
    """The place for the lesion, mm."""
    return np.asarray((patient.affine @ [*patient.lesion, 1.0])[:3])


def relabelled(scan: Scan, **labels: str) -> Scan:
    """The scan with further labels."""
    return replace(scan, ref=replace(scan.ref, labels={**scan.ref.labels, **labels}))


def _ref(patient: Patient, visit: Visit, number: int) -> ScanRef:
    name = f"{patient.ref.subject}/ses-{number:02}/T1w"
    return ScanRef(
        name,
        patient.ref.subject,
        f"{number:02}",
        "T1w",
        Path(name),
        months=visit.months,
        labels=dict(visit.labels),
    )


def _grid(patient: Patient, visit: Visit) -> tuple[Points, tuple[int, int, int]]:
    if visit.grid is None:
        return patient.affine, patient.anatomy.shape
    factor = np.array(visit.grid) / spacing_of(patient.affine)
    shape = tuple(int(n) for n in np.ceil(np.array(patient.anatomy.shape) / factor))
    return patient.affine @ np.diag([*factor, 1.0]), shape


def _voxels(shape: tuple[int, ...]) -> Points:
    return np.indices(shape).reshape(3, -1).T.astype(np.float64)


def _moved(points: Points, mapping: NDArray[np.float64]) -> Points:
    return np.asarray(points @ mapping[:3, :3].T + mapping[:3, 3])


def _pose(patient: Patient, visit: Visit) -> NDArray[np.float64]:
    """4x4, from mm of the visit to mm of the patient: a turn about the brain's middle."""
    from scipy.spatial.transform import Rotation

    centre = (patient.affine @ [*ndimage.center_of_mass(patient.brain), 1.0])[:3]
    mapping = np.eye(4)
    mapping[:3, :3] = Rotation.from_euler("xyz", visit.turn, degrees=True).as_matrix()
    mapping[:3, 3] = centre - mapping[:3, :3] @ centre + np.array(visit.shift)
    return mapping


def _before(patient: Patient, visit: Visit, places: Points) -> tuple[Points, Points]:
    """Where the tissue of each place was in the scan, mm; and the distance in lesion radii."""
    source, wall = places.copy(), np.full(len(places), np.inf)
    stiff = _stiffness(patient, places)[:, None]
    if visit.loss:
        source = source + stiff * _shrunk(patient, places, visit.loss)
    for lesion in visit.lesions:
        step = places - middle(patient) - np.array(lesion.away)
        distance = np.maximum(np.linalg.norm(step, axis=1), 1e-6)
        radius = lesion.radius * _wobble(step / distance[:, None], lesion.shape)
        pushed = np.cbrt(np.maximum(distance**3 - visit.mass_effect * lesion.radius**3, 0.0))
        source = source - stiff * step * ((distance - pushed) / distance)[:, None]
        wall = np.minimum(wall, distance / radius)
    return source, wall


def _stiffness(patient: Patient, places: Points) -> Points:
    """1 deep in the brain, 0 at its surface and outside."""
    return np.clip(_sampled(patient.depth, places, patient.affine, order=1) / STIFF, 0.0, 1.0)


def _shrunk(patient: Patient, places: Points, loss: float) -> Points:
    """Tissue that leaves the ventricles' walls: they grow by the volume that the brain loses."""
    spacing = spacing_of(patient.affine)
    away = ndimage.distance_transform_edt(~patient.ventricles, sampling=spacing)
    smooth = ndimage.gaussian_filter(away, 1.5).astype(np.float32)
    voxel = float(np.prod(spacing))
    surface = ndimage.binary_dilation(patient.ventricles) & ~patient.ventricles
    area = max(float(surface.sum()) * voxel ** (2 / 3), 1.0)
    depth = min(loss * float(patient.brain.sum()) * voxel / area, 3.0)
    slope = np.stack(np.gradient(smooth, *spacing), axis=-1)
    inward = -np.stack(
        [_sampled(slope[..., axis], places, patient.affine, order=1) for axis in range(3)], axis=1
    )
    reach = np.exp(-_sampled(smooth, places, patient.affine, order=1) / REACH_OF_ATROPHY)
    return depth * reach[:, None] * inward * np.sign(np.diag(patient.affine)[:3])


def _wobble(direction: Points, shape: int) -> Points:
    """A lumpy sphere: radius by direction, mean 1."""
    random = np.random.default_rng([7, shape])
    waves = random.normal(size=(4, 3)) * 2.0
    return 1.0 + 0.06 * np.sin(direction @ waves.T + random.uniform(0, 6.3, 4)).sum(axis=1) / 2


def _painted(values: NDArray[np.float32], wall: Points, tissue: float) -> NDArray[np.float32]:
    """Dark core and bright rim, with a soft edge."""
    inner = np.where(wall < 0.6, CORE, RIM) * tissue
    share = 1.0 / (1.0 + np.exp(np.minimum((wall - 1.0) / 0.05, 50.0)))
    return np.asarray(share * inner + (1 - share) * values, dtype=np.float32)


def _acquired(
    values: NDArray[np.float32], brain: NDArray[np.bool_], patient: Patient, visit: Visit
) -> NDArray[np.float32]:
    random = np.random.default_rng([visit.noise_seed, 11])
    axes = [np.linspace(-1, 1, n) for n in values.shape]
    i, j, k = np.meshgrid(*axes, indexing="ij")
    a, b, c = random.uniform(-1, 1, 3)
    bias = 1.0 + visit.bias * (a * i + b * j + c * k + 0.5 * a * j * k) / 1.5
    level = patient.tissue * (np.maximum(values, 0.0) / patient.tissue) ** visit.gamma
    seen = visit.gain * bias * level
    noise = random.normal(0.0, visit.noise * patient.noise, values.shape)
    stored = np.clip(np.round(seen + noise), 1, 255)
    return np.asarray(np.where(brain, stored, 0.0), dtype=np.float32)


def _sampled(
    values: NDArray[np.float32],
    places: Points,
    affine: NDArray[np.float64],
    *,
    order: int,
    prefilter: bool = True,
) -> NDArray[np.float32]:
    index = _moved(places, np.linalg.inv(affine))
    found = ndimage.map_coordinates(values, index.T, order=order, prefilter=prefilter)
    return np.asarray(found, dtype=np.float32)
