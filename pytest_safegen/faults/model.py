"""What the fault bank works with: a canvas, the planted fault, and a family of faults.

Arrays are on the canvas's grid, axes (i, j, k). Strengths and amplitudes are shares of the
canvas's contrast, so that a family means the same on any intensity scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Vector = NDArray[np.float64]
Spacing = tuple[float, float, float]

VISIBLE = 0.03
"""Share of the contrast from which on a changed voxel counts as visibly changed."""

_SAMPLES = 60_000  # enough for a percentile, and a hundredth of a second less


@dataclass(frozen=True, slots=True)
class Canvas:
    """What a fault is planted in.

    `voxels` float32 (i, j, k) on any intensity scale; `body` bool (i, j, k), where there is
    something to corrupt; `spacing` in mm; `donor` float32 (i, j, k), another patient's scan on the
    same grid and scale, from which foreign tissue is taken (None: from elsewhere in `voxels`).
    `floor` is the value of the background, `contrast` the range from there to bright tissue.
    """

    voxels: FloatArray
    body: BoolArray
    spacing: Spacing
    donor: FloatArray | None = None
    floor: float = field(init=False)
    contrast: float = field(init=False)

    def __post_init__(self) -> None:
        """Check the arrays; the levels are measured once, for every family asks for them."""
        _check(self.voxels, self.body, self.donor)
        low, high = _levels(self.voxels, self.body)
        object.__setattr__(self, "floor", low)
        object.__setattr__(self, "contrast", high - low)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along i, j and k."""
        i, j, k = self.voxels.shape
        return i, j, k


@dataclass(frozen=True, slots=True)
class Planted:
    """A corrupted scan: `voxels` float32 (i, j, k), and `mask` bool (i, j, k) of the fault.

    The mask is None for a fault of the whole scan.
    """

    voxels: FloatArray
    mask: BoolArray | None = None


Plant = Callable[[Canvas, float, np.random.Generator], Planted]
"""Plants a fault of some strength, above 0 and up to 1, in a canvas that it leaves as it is."""


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of fault; `plant` makes a new one from each state of the random generator.

    `group` is its theme, `local` says whether it comes with a mask, `modalities` holds "mr" and
    "ct" as far as such scans can have it; `description` ends the sentence "This place resembles
    ...".
    """

    name: str
    group: str
    local: bool
    modalities: frozenset[str]
    description: str
    plant: Plant


def _check(voxels: FloatArray, body: BoolArray, donor: FloatArray | None) -> None:
    if voxels.ndim != 3 or voxels.dtype != np.float32:
        raise ValueError(f"A canvas is float32 (i, j, k), not {voxels.dtype} {voxels.shape}.")
    if body.shape != voxels.shape or body.dtype != np.bool_:
        raise ValueError(f"The body is bool {voxels.shape}, not {body.dtype} {body.shape}.")
    if donor is not None and donor.shape != voxels.shape:
        raise ValueError(f"The donor must lie on the grid {voxels.shape}, not {donor.shape}.")
    if not np.isfinite(voxels).all() or not (donor is None or np.isfinite(donor).all()):
        raise ValueError("Faults are planted in finite voxels only; this scan has others.")


def _levels(voxels: FloatArray, body: BoolArray) -> tuple[float, float]:
    """Background and bright tissue: percentile 1 of all voxels and 98 of the body."""
    step = (voxels.size // _SAMPLES) | 1  # odd: it does not fall in with the lengths of the axes
    sample, inside = voxels.ravel()[::step], body.ravel()[::step]
    tissue = sample[inside] if inside.any() else sample
    low, high = float(np.percentile(sample, 1)), float(np.percentile(tissue, 98))
    if high > low:
        return low, high
    return float(voxels.min()), float(voxels.max())
