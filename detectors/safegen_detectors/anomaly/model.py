"""The nouns of the anomaly methods: what every method gets, and what it gives back.

A method learns from samples and reads samples. It never decides: the numbers of all methods are
brought to one scale in `fusion.py`, and the gate judges the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

    from safegen_detectors.anomaly.view import View

Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]
Matrix = NDArray[np.float64]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True)
class Sample:
    """One prepared scan, on its own isotropic grid and on the template's.

    `own` (i, j, k), intensities about 0..1, possibly float16; `body` bool (i, j, k) on the same
    grid; `aligned` the scan on the template's grid; `to_template` 4x4, voxel index of the own
    grid to voxel index of the template's; `spacing` in mm of both grids; `pathology` bool
    (i, j, k) on the own grid, the stated pathology that nobody judges, None if there is none.
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
class Ground:
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


@dataclass(frozen=True, slots=True)
class Learned:
    """What a method learned: numeric arrays, and facts that JSON can hold.

    `held_out`: the statistics of each sample, in order, as if the sample had never been seen.
    """

    arrays: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)
    held_out: Sequence[Mapping[str, float]] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a method saw in one sample.

    `statistics`: positive numbers by name, higher is worse, the names always the same for a
    method. `map`: float32 tensor (i, j, k) on the own grid, at least 0, higher is worse, 1 where
    the method would outline; None for a method that knows no places. `details`: the numbers
    behind the statistics, for words.
    """

    statistics: Mapping[str, float]
    map: torch.Tensor | None = None
    details: Mapping[str, float] = field(default_factory=dict)


class Method(Protocol):
    """One way to tell an anomaly; holds options, never state."""

    @property
    def name(self) -> str: ...  # noqa: D102  as in `methods = [...]`

    def fit(self, samples: Sequence[Sample], ground: Ground, *, seed: int, device: str) -> Learned:
        """Learn from samples of real patients."""

    def read(self, view: View, learned: Learned) -> Reading:
        """Measure one sample with what was learned from others."""
