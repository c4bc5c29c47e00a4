"""Block descriptors: the lowest frequencies of the cosine transform, partly whitened."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from safegen_detectors.memorization.features.lattice import BLOCK, Lattice, block_weights
from safegen_detectors.memorization.features.pattern import Volume

FREQUENCIES = 64  # at least; a shell of equal frequencies is taken as a whole
Blocks = slice | NDArray[np.int64]
ALL_BLOCKS = slice(None)
SOFT_WHITENING = -0.25  # exponent of the variances: between none (0) and full (-0.5)


@dataclass(frozen=True, slots=True)
class Describer:
    """Cuts a pattern into the blocks of a lattice and describes them.

    `scale` (c,) weighs the frequencies; it is learned from real scans.
    """

    lattice: Lattice
    scale: torch.Tensor

    def coefficients(
        self, pattern: Volume, *, reach: int, blocks: Blocks = ALL_BLOCKS
    ) -> torch.Tensor:
        """Cosine coefficients (blocks, shifts, c) of some blocks, moved by up to `reach` voxels.

        Shifts are in the order of `shifts(reach)`.
        """
        device = self.scale.device
        filters = _shifted_cosines(reach).to(device)
        values = torch.from_numpy(_windows(pattern, self.lattice.corners[blocks], reach)).to(device)
        for _ in range(3):  # the transform of a cube is separable: the last axis, then moved first
            values = (values @ filters.T).movedim(-1, 1)
        steps, top = 2 * reach + 1, int(frequencies().max()) + 1
        for axis in (3, 2, 1):
            values = values.unflatten(axis, (steps, top))  # type: ignore[no-untyped-call]
        u, v, w = (torch.from_numpy(n).to(device) for n in frequencies().T)
        chosen = values[:, :, u, :, v, :, w]  # torch puts the chosen axis first: (c, blocks, ...)
        return chosen.flatten(2).permute(1, 2, 0).contiguous()

    def describe(
        self, pattern: Volume, *, reach: int = 0, blocks: Blocks = ALL_BLOCKS
    ) -> torch.Tensor:
        """Descriptors (blocks, shifts, c) of length 1; 0 where there is no pattern."""
        return self.normalise(self.coefficients(pattern, reach=reach, blocks=blocks))

    def normalise(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Descriptors of length 1 from coefficients (..., c), weighted by `scale`."""
        return unit_length(coefficients * self.scale)

    def reconstruct(self, descriptors: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
        """The patterns (n, i, j, k) that descriptors (blocks, n, c) reveal.

        On the CPU, whatever the device.
        """
        u, v, w = frequencies().T
        waves = torch.einsum("ci,cj,ck->cijk", *(_cosine_basis()[n] for n in (u, v, w)))
        kernel = torch.from_numpy(block_weights())
        total = torch.zeros(descriptors.shape[1], *shape)
        weight = torch.full(shape, 1e-6)
        unscaled = (descriptors / self.scale).cpu()
        for corner, coefficients in zip(self.lattice.corners.tolist(), unscaled, strict=True):
            i, j, k = (slice(start, start + BLOCK) for start in corner)
            blocks = torch.tensordot(coefficients, waves, dims=1)
            level = blocks.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-6)
            total[:, i, j, k] += kernel * blocks / level
            weight[i, j, k] += kernel
        return total / weight


@cache
def frequencies() -> NDArray[np.int64]:
    """Triples (c, 3) of frequencies, lowest first, the mean left out."""
    triples = np.array(
        sorted(product(range(BLOCK), repeat=3), key=lambda t: (_squared_length(t), t))[1:]
    )
    largest = _squared_length(triples[FREQUENCIES - 1])
    return np.asarray(triples[(triples**2).sum(1) <= largest])


def unit_length(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors (..., c) brought to length 1; those of length 0 stay 0."""
    return vectors / vectors.square().sum(-1, keepdim=True).sqrt().clamp(min=1e-6)


def frequency_weights(coefficients: torch.Tensor) -> torch.Tensor:
    """The weight (c,) of each frequency, from coefficients (..., c) of real scans.

    Frequencies that a rotation by right angles exchanges have the same weight.
    """
    variance = coefficients.reshape(-1, coefficients.shape[-1]).square().mean(0).numpy()
    shell = np.unique(np.sort(frequencies(), axis=1), axis=0, return_inverse=True)[1].ravel()
    shared = (np.bincount(shell, variance) / np.bincount(shell))[shell]
    weights = np.maximum(shared, 1e-6 * shared.max()) ** SOFT_WHITENING
    return torch.from_numpy(weights.astype(np.float32))


def shifts(reach: int) -> NDArray[np.int64]:
    """All shifts (s, 3) of up to `reach` voxels along each axis."""
    steps = range(-reach, reach + 1)
    return np.array(list(product(steps, repeat=3)))


def _squared_length(triple: object) -> int:
    return int(np.square(np.asarray(triple)).sum())


@cache
def _cosine_basis() -> torch.Tensor:
    """The orthonormal cosines (frequency, position) of one axis of a block (DCT-II)."""
    positions = np.arange(BLOCK)
    waves = np.cos(np.pi * (positions[None] + 0.5) * positions[:, None] / BLOCK)
    normalised = waves / np.linalg.norm(waves, axis=1, keepdims=True)
    return torch.from_numpy(normalised.astype(np.float32))


@cache
def _shifted_cosines(reach: int) -> torch.Tensor:
    """All cosines at all shifts (shifts * frequencies, block + 2 * reach) of one axis."""
    top = int(frequencies().max()) + 1
    rows = torch.zeros(2 * reach + 1, top, BLOCK + 2 * reach)
    for shift in range(2 * reach + 1):
        rows[shift, :, shift : shift + BLOCK] = _cosine_basis()[:top]
    return rows.reshape(-1, BLOCK + 2 * reach)


def _windows(pattern: Volume, corners: NDArray[np.int64], reach: int) -> Volume:
    """The blocks (n, side, side, side) with their surroundings."""
    side = BLOCK + 2 * reach
    padded = np.pad(pattern, reach)
    views = np.lib.stride_tricks.sliding_window_view(padded, (side, side, side))
    return np.ascontiguousarray(views[tuple(corners.T)], dtype=np.float32)
