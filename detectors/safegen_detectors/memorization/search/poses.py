"""Poses of a scan on the reference grid: rotations by right angles and mirror images."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.api import Template
from safegen_detectors.memorization.features.descriptors import frequencies
from safegen_detectors.memorization.features.lattice import Lattice
from safegen_detectors.memorization.features.pattern import Displacement

AXES = ("left-right", "front-back", "top-bottom")


@dataclass(frozen=True, slots=True)
class Pose:
    """A signed permutation: new axis n is old axis `order[n]`, reversed if `flips[n]`."""

    order: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)

    def apply(self, volume: NDArray[Any]) -> NDArray[Any]:
        """The volume (i, j, k) in this pose."""
        axes = tuple(n for n, flip in enumerate(self.flips) if flip)
        return np.asarray(np.flip(volume.transpose(self.order), axes))

    def matrix(self) -> NDArray[np.float64]:
        """The rotation or reflection (3, 3) of directions, old to new."""
        return np.asarray(np.eye(3)[list(self.order)] * self._signs()[:, None])

    def block_numbers(self, lattice: Lattice) -> NDArray[np.int64]:
        """For each block of a scan in this pose, the number of the same block as it lay before."""
        cells = lattice.cells()
        last = cells.max(0)
        old = np.empty_like(cells)
        for new, before in enumerate(self.order):
            old[:, before] = last[new] - cells[:, new] if self.flips[new] else cells[:, new]
        return _row_numbers(old, cells)

    def frequencies(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """For each frequency in this pose, the number it had before, and its change of sign."""
        places = _row_numbers(self._along_old_axes(frequencies()), frequencies())
        return places, np.prod(self._signs() ** frequencies(), axis=1).astype(np.float32)

    def undo(self, displacement: NDArray[np.int64]) -> Displacement:
        """A displacement (3,) along the axes of this pose, along those of the scan before it."""
        i, j, k = self._along_old_axes((displacement * self._signs().astype(int))[None])[0].tolist()
        return i, j, k

    @property
    def is_identity(self) -> bool:
        """True if nothing is rotated or mirrored."""
        return self.order == (0, 1, 2) and not any(self.flips)

    @property
    def is_mirrored(self) -> bool:
        """True for a mirror image, False for a rotation."""
        return bool(np.linalg.det(self.matrix()) < 0)

    def _signs(self) -> NDArray[np.float64]:
        return np.where(self.flips, -1.0, 1.0)

    def _along_old_axes(self, triples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Triples (n, 3) along the new axes, along the old ones."""
        return triples[:, np.argsort(self.order)]


def all_poses() -> list[Pose]:
    """All 48 signed permutations of three axes, the identity first."""
    flips = list(product((False, True), repeat=3))
    return [Pose(order, flip) for order in permutations((0, 1, 2)) for flip in flips]  # type: ignore[arg-type]


def poses_to_try(template: Template, lattice: Lattice) -> list[Pose]:
    """Two for bodies, which are aligned by their outline; for crops, all that fit the grid."""
    if template.options.align == "affine":
        return [Pose(), Pose(flips=(True, False, False))]
    counts = lattice.cells().max(0)
    return [pose for pose in all_poses() if (counts[list(pose.order)] == counts).all()]


def mirrored_axes(template: Template) -> tuple[int, ...]:
    """The axes along which `poses_to_try` reverses."""
    return (0,) if template.options.align == "affine" else (0, 1, 2)


def describe_pose(pose: Pose, rotation: Pose) -> str:
    """How a copy lies: "mirrored left-right", "rotated by right angles", or "" if unchanged."""
    both = pose.matrix() @ rotation.matrix()
    if np.array_equal(both, np.diag(np.diag(both))) and np.linalg.det(both) < 0:
        return f"mirrored {' and '.join(AXES[n] for n in range(3) if both[n, n] < 0)}"
    if np.array_equal(both, np.eye(3)):
        return ""
    return f"{'mirrored and ' * bool(np.linalg.det(both) < 0)}rotated by right angles"


def _row_numbers(wanted: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of each wanted triple among some rows (n, 3)."""
    numbers = {tuple(row): number for number, row in enumerate(rows.tolist())}
    return np.array([numbers[tuple(row)] for row in wanted.tolist()], dtype=np.int64)
