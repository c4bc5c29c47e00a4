"""Orthogonal slices of a volume in radiological convention, true to scale in mm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from pytest_safegen.api import SafegenError

Voxel = tuple[int, int, int]
WorldPoint = tuple[float, float, float]

MAX_PERCENTILE_SAMPLE = 1_000_000  # voxels that are enough for a percentile


@dataclass(frozen=True, slots=True)
class Plane:
    """A plane of a RAS volume; the letters say what lies left, right, on top and at the bottom."""

    name: str
    axis: int
    letters: str

    @property
    def axes(self) -> tuple[int, int]:
        """The volume's axes that run across the picture and up it."""
        across, up = (axis for axis in range(3) if axis != self.axis)
        return across, up


PLANES = (Plane("axial", 2, "RLAP"), Plane("coronal", 1, "RLSI"), Plane("sagittal", 0, "APSI"))


@dataclass(frozen=True, slots=True)
class Volume:
    """Values (i, j, k) whose axes run to the patient's right, front and top; spacing in mm."""

    values: NDArray[Any]
    affine: NDArray[np.float64]

    @property
    def spacing(self) -> NDArray[np.float64]:
        """mm between voxels along each axis."""
        lengths: NDArray[np.float64] = np.linalg.norm(self.affine[:3, :3], axis=0)
        return lengths

    @property
    def extent(self) -> NDArray[np.float64]:
        """Length of each axis in mm, whole voxels counted."""
        return self.spacing * self.values.shape


def to_ras(values: NDArray[Any], affine: NDArray[np.float64]) -> Volume:
    """The volume flipped and permuted to the nearest RAS axes, nothing resampled.

    Raises SafegenError where the affine is not finite or not invertible.
    """
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise SafegenError("The header's affine is not invertible, so no slices can be drawn.")
    orientation = io_orientation(affine)
    values_ras = apply_orientation(values, orientation)
    return Volume(values_ras, affine @ inv_ornt_aff(orientation, values.shape))


def extract_slice(volume: Volume, plane: Plane, voxel: Voxel) -> NDArray[Any]:
    """The slice through a voxel as a picture (rows, columns), radiological convention.

    The patient's right is on the left; in the sagittal plane the front is on the left.
    """
    flat: NDArray[Any] = np.take(volume.values, voxel[plane.axis], axis=plane.axis)
    picture: NDArray[Any] = flat[::-1, ::-1].T
    return picture


def position_in_slice(volume: Volume, plane: Plane, voxel: Voxel) -> tuple[float, float]:
    """Where a voxel's centre lies in the picture of `extract_slice`: mm from the left and top."""
    x, y = (
        float((volume.values.shape[axis] - voxel[axis] - 0.5) * volume.spacing[axis])
        for axis in plane.axes
    )
    return x, y


def worst_voxel(values: NDArray[Any]) -> Voxel | None:
    """The voxel of the highest finite value, of a plateau its middle; None if all are NaN."""
    finite = np.where(np.isfinite(values), values, -np.inf)
    if not np.isfinite(top := finite.max(initial=-np.inf)):
        return None
    return _most_central(np.argwhere(finite == top))


def centre_of_mass(values: NDArray[Any]) -> Voxel:
    """The voxel at the centre of the intensities above the lowest; NaN weighs nothing."""
    finite = np.isfinite(values)
    lowest = values[finite].min(initial=np.inf)
    weight = np.where(finite, values - lowest, 0.0) if np.isfinite(lowest) else np.zeros(1)
    total = float(weight.sum(dtype=np.float64))
    if not total > 0:
        return _as_voxel(np.asarray(values.shape) // 2)
    return _as_voxel([round(_mean_index(weight, axis, total)) for axis in range(3)])


def voxel_to_world(volume: Volume, voxel: Voxel) -> WorldPoint:
    """The voxel's centre in mm, RAS+."""
    x, y, z = volume.affine[:3, :3] @ np.asarray(voxel) + volume.affine[:3, 3]
    return float(x), float(y), float(z)


def intensity_window(values: NDArray[Any]) -> tuple[float, float]:
    """The intensity window: percentiles 1 and 99 of the finite values other than zero."""
    sample = values.ravel()[:: max(1, values.size // MAX_PERCENTILE_SAMPLE)]
    shown = sample[np.isfinite(sample) & (sample != 0)]
    if shown.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(shown, (1, 99))
    return float(low), float(max(high, low + 1e-6))


def _mean_index(weight: NDArray[Any], axis: int, total: float) -> float:
    others = tuple(other for other in range(3) if other != axis)
    along = weight.sum(axis=others, dtype=np.float64)
    return float(along @ np.arange(along.size) / total)


def _most_central(places: NDArray[np.intp]) -> Voxel:
    nearest = np.linalg.norm(places - places.mean(axis=0), axis=1).argmin()
    return _as_voxel(places[nearest])


def _as_voxel(index: Any) -> Voxel:
    i, j, k = (int(number) for number in index)
    return i, j, k
