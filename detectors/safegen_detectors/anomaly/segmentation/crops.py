"""Pieces of scans as a network learns from them, small enough to keep thousands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

CROP = 40  # voxels a side
STEPS_OF_INTEGER = 20.0


@dataclass(frozen=True, slots=True)
class Crop:
    """One lesson: inputs int8 (c, n, n, n) in steps of 1/20, truth and region bool (n, n, n)."""

    inputs: torch.Tensor
    truth: torch.Tensor
    region: torch.Tensor

    @property
    def parts(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Inputs, truth and region."""
        return self.inputs, self.truth, self.region


@dataclass(frozen=True, slots=True)
class Batch:
    """Some crops: inputs float32 (b, c, n, n, n), truth and region bool (b, n, n, n)."""

    inputs: torch.Tensor
    truth: torch.Tensor
    region: torch.Tensor

    def to(self, device: str) -> Batch:
        """The batch on a device."""
        return Batch(*(part.to(device) for part in (self.inputs, self.truth, self.region)))


@dataclass(frozen=True, slots=True)
class Whole:
    """All of an untouched scan: inputs int8 (c, i, j, k), region bool (i, j, k)."""

    inputs: torch.Tensor
    region: torch.Tensor

    def crop(self, centre: NDArray[np.int64], truth: torch.Tensor | None = None) -> Crop:
        """The crop about a voxel (3,), or as near as the scan goes; nothing is at fault without
        truth (i, j, k)."""
        part = _part(centre, self.region.shape)
        faulty = torch.zeros_like(self.region) if truth is None else truth
        return Crop(
            _filled(self.inputs[(slice(None), *part)]),
            _filled(faulty[part]),
            _filled(self.region[part]),
        )


class Shelf:
    """Room for some crops in one piece of memory.

    Crops that are kept one by one between maps that come and go leave gaps that no map fits into,
    and a fit would take twice the memory.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._used = 0
        self._memory: Crop | None = None

    def put(self, crop: Crop) -> Crop:
        """The crop, kept; there must be room."""
        memory = self._memory or self._made_for(crop)
        kept = Crop(*(part[self._used] for part in memory.parts))
        for place, part in zip(kept.parts, crop.parts, strict=True):
            place.copy_(part)
        self._used += 1
        return kept

    def _made_for(self, crop: Crop) -> Crop:
        self._memory = Crop(*(part.new_empty((self._room, *part.shape)) for part in crop.parts))
        return self._memory


def compact(inputs: torch.Tensor) -> torch.Tensor:
    """Inputs in a quarter of the memory, int8."""
    return (inputs * STEPS_OF_INTEGER).round().clamp(-127, 127).to(torch.int8)


def floats(inputs: torch.Tensor) -> torch.Tensor:
    """Compact inputs as float32."""
    return inputs.float() / STEPS_OF_INTEGER


def batch_of(crops: Sequence[Crop], random: torch.Generator) -> Batch:
    """The crops, each mirrored at random along each axis, which multiplies them by eight."""
    turned = [_mirrored(crop, random) for crop in crops]
    return Batch(
        torch.stack([floats(crop.inputs) for crop in turned]),
        torch.stack([crop.truth for crop in turned]),
        torch.stack([crop.region for crop in turned]),
    )


def _mirrored(crop: Crop, random: torch.Generator) -> Crop:
    axes = [axis for axis in (-3, -2, -1) if float(torch.rand((), generator=random)) < 0.5]
    return Crop(crop.inputs.flip(axes), crop.truth.flip(axes), crop.region.flip(axes))


def _part(centre: NDArray[np.int64], shape: Sequence[int]) -> tuple[slice, ...]:
    low = [
        int(np.clip(c - CROP // 2, 0, max(n - CROP, 0))) for c, n in zip(centre, shape, strict=True)
    ]
    return tuple(slice(start, start + CROP) for start in low)


def _filled(part: torch.Tensor) -> torch.Tensor:
    """A copy with sides of CROP voxels, zeros behind."""
    i, j, k = part.shape[-3:]
    full = torch.zeros((*part.shape[:-3], CROP, CROP, CROP), dtype=part.dtype)
    full[..., :i, :j, :k] = part
    return full
