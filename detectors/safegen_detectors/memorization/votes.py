"""Whom each block resembles more than anybody else, and what the blocks say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen import Prepared
from safegen_detectors.memorization.descriptors import (
    STRIDE,
    Lattice,
    Volume,
    blocks,
    described,
    pattern,
)

SHIFTS = [(i, j, k) for i, j, k in product((-1, 0, 1), repeat=3)]
ALMOST_ONE = 0.999


@dataclass(frozen=True, slots=True)
class Index:
    """All reference scans: descriptors (scans, blocks, c), and each scan's patient (scans,)."""

    descriptors: torch.Tensor
    patients: NDArray[np.int64]
    lattice: Lattice
    axes: Volume
    mirror_shift: int = 0


@dataclass(frozen=True, slots=True)
class Vote:
    """What one way of laying the scan over the reference says.

    `patient` is the number of the patient it speaks of; `margin` (blocks,) how much nearer that
    patient is than any other, 0 where another is nearer (difference of Fisher's z);
    `likeness` (blocks,) the cosine with that patient; `together` the mean margin over all blocks;
    `locally` the highest mean margin over 3 x 3 x 3 neighbouring blocks.
    """

    patient: int
    margin: NDArray[np.float64]
    likeness: NDArray[np.float64]
    together: float
    locally: float
    mirrored: bool
    inverted: bool


def votes(prepared: Prepared, index: Index) -> list[Vote]:
    """One vote per reflection and contrast: as is, mirrored left-right, inverted, both."""
    found = []
    for mirrored in (False, True):
        volume = pattern(prepared, mirrored=index.mirror_shift if mirrored else None)
        cosines = _cosines(volume, index)
        for inverted in (False, True):
            best = (-cosines.amin(0) if inverted else cosines.amax(0)).numpy()
            found += _vote(best, index, mirrored=mirrored, inverted=inverted)
    return found


def _cosines(volume: Volume, index: Index) -> torch.Tensor:
    """Cosines (shifts, scans, blocks) of the scan's shifted blocks with all reference scans."""
    rows = []
    for shift in SHIFTS:
        own = described(blocks(volume, index.lattice, shift=shift), index.axes)
        own = own.to(index.descriptors.device)
        rows.append(torch.einsum("sbc,bc->sb", index.descriptors, own))
    return torch.stack(rows).float().cpu()


def _vote(best: NDArray[np.float32], index: Index, *, mirrored: bool, inverted: bool) -> list[Vote]:
    """The strongest patient overall, and the strongest in one place if that is another."""
    likeness = _per_patient(best, index.patients)
    margins = _margins(likeness)
    local = [_local_mean(row, index.lattice) for row in margins]
    chosen = {int(np.argmax(margins.mean(1))), int(np.argmax([row.max() for row in local]))}
    return [
        Vote(
            patient,
            margins[patient],
            likeness[patient],
            float(margins[patient].mean()),
            float(local[patient].max()),
            mirrored,
            inverted,
        )
        for patient in sorted(chosen)
    ]


def _per_patient(best: NDArray[np.float32], patients: NDArray[np.int64]) -> NDArray[np.float64]:
    """The best cosine (patients, blocks) over all scans of each patient."""
    count = int(patients.max()) + 1
    return np.stack([best[patients == n].max(0) for n in range(count)]).astype(np.float64)


def _margins(likeness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fisher's z of each patient above that of the best other one, 0 where it is not the best."""
    z = np.arctanh(np.clip(likeness, -ALMOST_ONE, ALMOST_ONE))
    order = np.sort(z, axis=0)
    return np.maximum(np.where(z >= order[-1], order[-1] - order[-2], 0.0), 0.0)


def _local_mean(margin: NDArray[np.float64], lattice: Lattice) -> NDArray[np.float64]:
    """Mean margin of each block and its neighbours on the lattice, absent ones counting 0."""
    places = (lattice.corners - lattice.corners.min(0)) // STRIDE
    grid = np.zeros(places.max(0) + 1)
    grid[tuple(places.T)] = margin
    smooth = ndimage.uniform_filter(grid, 3, mode="constant")
    return np.asarray(smooth[tuple(places.T)])


def strongest(found: Sequence[Vote], middle: Sequence[float], spread: Sequence[float]) -> Vote:
    """The vote whose evidence, on the scale of unseen real patients, is the highest."""
    return max(found, key=lambda vote: evidence(vote, middle, spread))


def evidence(vote: Vote, middle: Sequence[float], spread: Sequence[float]) -> float:
    """The larger of the two means, in robust standard deviations above unseen real patients."""
    raw = np.log([max(vote.together, 1e-6), max(vote.locally, 1e-6)])
    return float(np.max((raw - np.array(middle)) / np.array(spread)))
