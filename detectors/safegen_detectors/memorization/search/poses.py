"""Poses of a scan on the reference grid: right-angled turns and mirror images."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.api import Template
from safegen_detectors.memorization.features.descriptors import frequencies, shifts
from safegen_detectors.memorization.features.lattice import Lattice
from safegen_detectors.memorization.features.pattern import Displacement

AXES = ("left-right", "front-back", "top-bottom")


@dataclass(frozen=True, slots=True)
class Pose:
    """A signed permutation: new axis n is old axis `order[n]`, reversed if `flips[n]`."""

    order: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)

    def laid(self, volume: NDArray[Any]) -> NDArray[Any]:
        """The volume (i, j, k) in this pose."""
        axes = tuple(n for n, flip in enumerate(self.flips) if flip)
        return np.asarray(np.flip(volume.transpose(self.order), axes))

    def matrix(self) -> NDArray[np.float64]:
        """The turn (3, 3) of directions, old to new."""
        return np.asarray(np.eye(3)[list(self.order)] * self._signs()[:, None])

    def blocks(self, lattice: Lattice) -> NDArray[np.int64]:
        """For each block of a scan in this pose, the number of the same block as it lay before."""
        cells = lattice.cells()
        last = cells.max(0)
        old = np.empty_like(cells)
        for new, before in enumerate(self.order):
            old[:, before] = last[new] - cells[:, new] if self.flips[new] else cells[:, new]
        return _row_numbers(old, cells)

    def shifts(self, reach: int) -> NDArray[np.int64]:
        """For each shift in this pose, the number of the same shift as it was before."""
        return _row_numbers(self._before(shifts(reach) * self._signs().astype(int)), shifts(reach))

    def frequencies(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """For each frequency in this pose, the number it had before, and its change of sign."""
        places = _row_numbers(self._before(frequencies()), frequencies())
        return places, np.prod(self._signs() ** frequencies(), axis=1).astype(np.float32)

    def before(self, displacement: NDArray[np.int64]) -> Displacement:
        """A displacement (3,) along the axes of this pose, told along those it had before."""
        i, j, k = self._before((displacement * self._signs().astype(int))[None])[0].tolist()
        return i, j, k

    @property
    def plain(self) -> bool:
        """True if nothing is turned or mirrored."""
        return self.order == (0, 1, 2) and not any(self.flips)

    @property
    def mirrors(self) -> bool:
        """True for a mirror image, False for a turn."""
        return bool(np.linalg.det(self.matrix()) < 0)

    def _signs(self) -> NDArray[np.float64]:
        return np.where(self.flips, -1.0, 1.0)

    def _before(self, triples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Triples (n, 3) along the new axes, told along the old ones."""
        return triples[:, np.argsort(self.order)]


def all_poses() -> list[Pose]:
    """All 48 signed permutations of three axes, the plain one first."""
    flips = list(product((False, True), repeat=3))
    return [Pose(order, flip) for order in permutations((0, 1, 2)) for flip in flips]  # type: ignore[arg-type]


def poses_to_try(template: Template, lattice: Lattice) -> list[Pose]:
    """Two where bodies are aligned by their outline; where there is none, all that fit the grid."""
    if template.options.align == "affine":
        return [Pose(), Pose(flips=(True, False, False))]
    counts = lattice.cells().max(0)
    return [pose for pose in all_poses() if (counts[list(pose.order)] == counts).all()]


def mirrored_axes(template: Template) -> tuple[int, ...]:
    """The axes along which `poses_to_try` reverses."""
    return (0,) if template.options.align == "affine" else (0, 1, 2)


def describe_pose(pose: Pose, turn: Pose) -> str:
    """How a copy was laid: "mirrored left-right", "turned by right angles", "" for as it was."""
    both = pose.matrix() @ turn.matrix()
    if np.array_equal(both, np.diag(np.diag(both))) and np.linalg.det(both) < 0:
        return f"mirrored {' and '.join(AXES[n] for n in range(3) if both[n, n] < 0)}"
    if np.array_equal(both, np.eye(3)):
        return ""
    return f"{'mirrored and ' * bool(np.linalg.det(both) < 0)}turned by right angles"


def _row_numbers(wanted: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of each wanted triple among some rows (n, 3)."""
    numbers = {tuple(row): number for number, row in enumerate(rows.tolist())}
    return np.array([numbers[tuple(row)] for row in wanted.tolist()], dtype=np.int64)
