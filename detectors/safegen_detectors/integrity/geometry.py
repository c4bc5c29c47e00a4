"""The grid of a scan: from its affine, and from the table along the patient's axes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.api import Measure, NotJudged, Scan
from safegen_detectors.integrity.text import counted

Row = Mapping[str, float | str | None]
"""One row of the table of scans."""

Triple = tuple[float, float, float]

DIRECTIONS = ("left_right", "back_front", "foot_head")
"""The patient's axes, in the order of the world axes x, y, z."""

_LETTERS = ("LR", "AP", "IS")

Affine = NDArray[np.float64]

SMALLEST_VOXEL_SIZE = 1e-6
"""The smallest voxel size in mm that anything is divided by."""


def required_number(row: Row, name: str) -> float:
    """A fact that must be a number; `NotJudged` if it is unknown."""
    value = row.get(name)
    if isinstance(value, int | float):
        return float(value)
    raise NotJudged(
        f"The table of scans has no number '{name}' for {row.get('target') or 'this scan'}, "
        "so it cannot be compared with the reference.",
        headline="Cannot be compared with the reference",
    )


def along_patient_axes(row: Row, name: str) -> Triple:
    """The facts `name`_i, _j, _k ordered left-right, back-front, foot-head."""
    stored = [required_number(row, f"{name}_{axis}") for axis in "ijk"]
    first, second, third = axis_order(str(row.get("orientation")))
    return stored[first], stored[second], stored[third]


def axis_order(orientation: str) -> tuple[int, int, int]:
    """Which voxel axis runs along x, y and z, for a code such as "LPS"; (0, 1, 2) if unknown."""
    places = [
        [place for place, letter in enumerate(orientation) if letter in letters]
        for letters in _LETTERS
    ]
    if len(orientation) != 3 or any(len(place) != 1 for place in places):
        return 0, 1, 2
    return places[0][0], places[1][0], places[2][0]


def extents(row: Row) -> Triple:
    """The size of the field of view in mm: left-right, back-front, foot-head."""
    x, y, z = (
        count * spacing
        for count, spacing in zip(
            along_patient_axes(row, "shape"), along_patient_axes(row, "spacing"), strict=True
        )
    )
    return x, y, z


def content_volume(row: Row) -> float:
    """The volume in ml of what is above the scan's smallest value."""
    x, y, z = extents(row)
    return x * y * z * (1.0 - required_number(row, "background_share")) / 1000.0


def axis_vectors(affine: Affine) -> NDArray[np.float64]:
    """The step in mm of one voxel along i, j and k, as the columns of a 3x3 matrix.

    Numbers that are not finite become 0, so that a broken header has a voxel size of 0.
    """
    return np.nan_to_num(np.asarray(affine, dtype=np.float64)[:3, :3], nan=0, posinf=0, neginf=0)


def voxel_size(affine: Affine) -> NDArray[np.float64]:
    """The voxel size in mm along i, j and k."""
    return np.asarray(np.linalg.norm(axis_vectors(affine), axis=0))


def skew_degrees(affine: Affine) -> float:
    """How far the voxel axes are from right angles: 0 if orthogonal, 90 if two are parallel."""
    size = np.maximum(voxel_size(affine), 1e-9)
    directions = axis_vectors(affine) / size
    cosines = directions.T @ directions
    return float(np.degrees(np.arcsin(np.clip(np.abs(cosines[np.triu_indices(3, 1)]).max(), 0, 1))))


def describe_point(affine: Affine, voxel: NDArray[np.float64]) -> str:
    """The position of a voxel: "(10, -4, 32) mm"."""
    x, y, z = np.nan_to_num(np.asarray(affine)[:3, :3] @ voxel + np.asarray(affine)[:3, 3])
    return f"({round(x)}, {round(y)}, {round(z)}) mm"


def centre_of(where: NDArray[np.bool_], affine: Affine) -> str:
    """The centre of the voxels that are True: "(10, -4, 32) mm"."""
    return describe_point(affine, np.argwhere(where).mean(axis=0))


def measure_grid(scan: Scan) -> tuple[Measure, ...]:
    """Voxel sizes, angles, number of voxels, and whether the mask fits."""
    size = [float(x) for x in voxel_size(scan.affine)]
    text = f"{' x '.join(f'{x:.4g}' for x in size)} mm"
    message = f"the voxel size is {text}"
    ratio = max(size) / max(min(size), SMALLEST_VOXEL_SIZE)
    angle = skew_degrees(scan.affine)
    return (
        Measure("smallest_voxel_size", min(size), "mm", message, f"Voxels too small: {text}"),
        Measure("largest_voxel_size", max(size), "mm", message, f"Voxels too large: {text}"),
        Measure(
            "anisotropy",
            ratio,
            "times",
            f"the voxels, {text}, are {ratio:.3g} times as long as wide",
            f"Strongly anisotropic voxels: {text}",
        ),
        Measure(
            "skew",
            angle,
            "degrees",
            f"the voxel axes are {angle:.3g} degrees off right angles",
            f"Voxel axes {angle:.3g} degrees off right angles",
        ),
        _fewest_voxels(scan),
        Measure(
            "mask_problem",
            float(bool(scan.mask_problem)),
            "",
            scan.mask_problem.rstrip("."),
            "Mask cannot be used" if scan.mask_problem else "",
        ),
    )


def _fewest_voxels(scan: Scan) -> Measure:
    fewest = min(scan.voxels.shape)
    text = f"{counted(fewest, 'voxel')} along {'ijk'[scan.voxels.shape.index(fewest)]}"
    return Measure(
        "fewest_voxels", float(fewest), "voxels", f"the scan has only {text}", f"Only {text}"
    )
