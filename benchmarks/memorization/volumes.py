"""Small volumes for the methods to compare with: aligned by the gate, coarser, all variants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_safegen import Prepared
from pytest_safegen.api import Template, halved
from safegen_detectors.memorization.features.lattice import BLOCK, Lattice


@dataclass(frozen=True, slots=True)
class ComparisonGrid:
    """The common grid of the comparisons: `body` (i, j, k) and the shift of a mirrored scan."""

    body: NDArray[np.bool_]
    shift: int

    def volume(self, prepared: Prepared) -> torch.Tensor:
        """A prepared scan at half its resolution, 0 outside the reference's body."""
        return torch.from_numpy(halved(prepared.voxels) * self.body)

    def variants(self, prepared: Prepared) -> torch.Tensor:
        """As it is, mirrored, inverted, both: what our own check tries too, (4, i, j, k)."""
        mirrored = np.roll(prepared.voxels[::-1], self.shift, axis=0)
        plain = torch.from_numpy(np.stack([halved(prepared.voxels), halved(mirrored)]))
        body = torch.from_numpy(self.body)
        return torch.cat([plain, 1.0 - plain]) * body


def comparison_grid_of(template: Template, lattice: Lattice) -> ComparisonGrid:
    """The frame for a template, mirrored about the middle of the check's own lattice."""
    twice_the_middle = int((lattice.corners.min(0) + lattice.corners.max(0))[0]) + BLOCK - 1
    shift = twice_the_middle - (template.voxels.shape[0] - 1)
    return ComparisonGrid(halved(template.body) > 0.5, shift)
