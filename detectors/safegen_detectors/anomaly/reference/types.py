"""Samples, reference statistics, and the array types that all methods share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]
Matrix = NDArray[np.float64]
Box = tuple[slice, slice, slice]
Arrays = Mapping[str, NDArray[Any]]


def arrays_below(arrays: Arrays, prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays below "<prefix>/", without it."""
    start = f"{prefix}/"
    return {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}


@dataclass(frozen=True, slots=True)
class Sample:
    """One prepared scan, on its own isotropic grid and on the template's.

    `own` (i, j, k), intensities about 0..1, possibly float16; `body` bool (i, j, k) on the same
    grid; `aligned` the scan on the template's grid; `to_template` 4x4, voxel index of the own
    grid to voxel index of the template's; `spacing` in mm of both grids; `pathology` bool
    (i, j, k) on the own grid, the annotated pathology that nobody judges, None if there is none.
    """

    patient: str
    own: NDArray[Any]
    body: Mask
    aligned: NDArray[Any]
    to_template: Matrix
    spacing: float
    pathology: Mask | None = None


@dataclass(frozen=True, slots=True)
class Gaussian:
    """What each feature is at each place of the template, over `count` real scans.

    `mean` and `variance` (f, i, j, k), smoothed over a few voxels; `overall` (f,), the mean
    variance over the region.
    """

    count: int
    mean: NDArray[Any]
    variance: NDArray[Any]
    overall: NDArray[Any]


@dataclass(frozen=True, slots=True)
class ReferenceStatistics:
    """What all methods share: the mean body of the reference on the template's grid.

    `intensity` float32 (i, j, k), mean of the reference; `body` float32 (i, j, k), share of real
    scans with body there; `region` bool (i, j, k), where to judge; `box` the smallest box that
    holds the region; `mirror` is the number of voxels by which the template must be rolled along
    its first axis after a flip to lie on itself, None where left and right do not correspond.
    `gaussian` is None where no method asks for features; `modality` is "mr" or "ct". `without`
    holds, for each patient of the reference, a Gaussian of others alone; it exists while a method
    learns and is in no profile.
    """

    intensity: Volume
    body: Volume
    region: Mask
    box: Box
    mirror: int | None
    gaussian: Gaussian | None = None
    modality: str = "mr"
    without: Mapping[str, Gaussian] = field(default_factory=dict)
