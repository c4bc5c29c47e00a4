"""Where the slices of a DICOM series lie, and the affine of the volume that they stack up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.core.errors import ReadError
from pytest_safegen.readers.base import LPS_TO_RAS

if TYPE_CHECKING:
    from pytest_safegen.core.scan import Affine

_UNEVEN = 0.05
"""Share of the slice distance by which slices may lie elsewhere than evenly spaced."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One file of a series: its pixel grid, and where it lies in mm (LPS)."""

    path: Path
    size: tuple[int, int]
    spacing: tuple[float, float]
    position: NDArray[np.float64]
    axes: NDArray[np.float64]
    stored_type: str

    @property
    def height(self) -> float:
        """The position along the normal of the slice, in mm."""
        return float(np.cross(*self.axes) @ self.position)


def stacked_affine(slices: Sequence[Slice], name: str) -> Affine:
    """The affine 4x4 to mm RAS+; ReadError unless the slices stack up to one box.

    The third column is the step from slice to slice as it is, so that a tilted gantry is kept.
    """
    first = slices[0]
    _check_alike(slices, name)
    step = _check_even(slices, name)
    affine = np.eye(4)
    affine[:3, 0] = first.axes[0] * first.spacing[0]
    affine[:3, 1] = first.axes[1] * first.spacing[1]
    affine[:3, 2] = step
    affine[:3, 3] = first.position
    return np.asarray(LPS_TO_RAS @ affine, dtype=np.float64)


def _check_alike(slices: Sequence[Slice], name: str) -> None:
    first = slices[0]
    for one in slices:
        same_grid = one.size == first.size and np.allclose(one.spacing, first.spacing, rtol=1e-3)
        if not same_grid or not np.allclose(one.axes, first.axes, atol=1e-3):
            raise ReadError(
                f"{name} holds slices of different size, spacing or orientation, such as "
                f"{one.path.name}. Put each series into a folder of its own.",
                headline="Slices of different size, spacing or orientation",
            )


def _check_even(slices: Sequence[Slice], name: str) -> NDArray[np.float64]:
    """The step (3,) in mm from one slice to the next."""
    if len(slices) < 2:
        raise ReadError(
            f"{name} holds a single slice. Put all slices of the series there.",
            headline="A single DICOM slice",
        )
    gaps = np.diff([one.height for one in slices])
    usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])
    for below, above, gap in zip(slices, slices[1:], gaps, strict=False):
        between = f"{below.height:.2f} mm and {above.height:.2f} mm"
        if gap <= _UNEVEN * usual:
            raise ReadError(
                f"{name} has two slices at {below.height:.2f} mm, {below.path.name} and "
                f"{above.path.name}. Keep one of them.",
                headline=f"Two slices at {below.height:.2f} mm",
            )
        if gap > (1 + _UNEVEN) * usual + 0.01:
            raise ReadError(
                f"{name} lacks a slice between {between}; its slices lie {usual:.2f} mm apart. "
                "Add it, or resample the series evenly.",
                headline=f"Missing slice between {between}",
            )
    return _check_straight(slices, name)


def _check_straight(slices: Sequence[Slice], name: str) -> NDArray[np.float64]:
    positions = np.array([one.position for one in slices])
    step = (positions[-1] - positions[0]) / (len(slices) - 1)
    expected = positions[0] + np.arange(len(slices))[:, None] * step
    away = np.linalg.norm(positions - expected, axis=1)
    if away.max() > _UNEVEN * np.linalg.norm(step) * 2 + 0.01:
        worst = slices[int(away.argmax())]
        raise ReadError(
            f"{name}/{worst.path.name} lies {away.max():.2f} mm off the line through the other "
            "slices. Resample the series evenly.",
            headline=f"Slice {away.max():.2f} mm off the line through the others",
        )
    return np.asarray(step, dtype=np.float64)
