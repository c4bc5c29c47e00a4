"""Block descriptors are weighted cosine coefficients of length 1."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from memorization_fields import BODIES, CROPS, LATTICE, SHAPE, index_for, prepared
from scipy.fft import dctn

from safegen_detectors.memorization.features.descriptors import (
    frequencies,
    frequency_weights,
    shifts,
    unit_length,
)
from safegen_detectors.memorization.features.lattice import (
    BLOCK,
    REACH,
)
from safegen_detectors.memorization.features.pattern import identity_pattern
from safegen_detectors.memorization.search.index import (
    Index,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def crops() -> Index:
    return index_for(CROPS).with_spectra()


@pytest.fixture(scope="module")
def bodies() -> Index:
    return index_for(BODIES)


@pytest.mark.parametrize("shift", [(0, 0, 0), (1, -2, 0), (-2, 2, 1)])
def test_coefficients_are_those_of_the_cosine_transform(
    crops: Index, shift: tuple[int, int, int]
) -> None:
    volume = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    block, number = 7, shifts(REACH).tolist().index(list(shift))
    i, j, k = LATTICE.corners[block] + np.array(shift) + REACH
    cut = np.pad(volume, REACH)[i : i + BLOCK, j : j + BLOCK, k : k + BLOCK]

    plain = dctn(cut, norm="ortho")[tuple(frequencies().T)]
    found = crops.describer.coefficients(volume, reach=REACH)[block, number]

    np.testing.assert_allclose(found.numpy(), plain, atol=1e-4)


def test_a_part_of_the_blocks_is_described_as_in_the_whole(crops: Index) -> None:
    volume, some = identity_pattern(prepared(1)), slice(10, 20)

    found = crops.describer.describe(volume, reach=1, blocks=some)

    torch.testing.assert_close(found, crops.describer.describe(volume, reach=1)[some])


def test_descriptors_have_length_one(crops: Index) -> None:
    lengths = crops.descriptors.norm(dim=2)

    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_a_blank_block_has_a_blank_descriptor() -> None:
    assert not unit_length(torch.zeros(2, 3)).any()


def test_frequencies_that_rotations_exchange_weigh_the_same() -> None:
    coefficients = torch.from_numpy(np.random.default_rng(0).normal(size=(50, len(frequencies()))))
    weights = {}
    for triple, weight in zip(
        frequencies().tolist(), frequency_weights(coefficients).tolist(), strict=True
    ):
        weights.setdefault(tuple(sorted(triple)), set()).add(weight)

    assert all(len(found) == 1 for found in weights.values())


def test_what_descriptors_reveal_resembles_the_pattern(bodies: Index) -> None:
    rebuilt = bodies.describer.reconstruct(bodies.descriptors[:, 1:2], SHAPE)[0].numpy()

    inner = tuple(slice(6, 25) for _ in range(3))
    found = np.corrcoef(rebuilt[inner].ravel(), identity_pattern(prepared(1))[inner].ravel())[0, 1]
    assert 0.5 < found < 0.99


def test_shifts_are_all_of_the_cube() -> None:
    assert shifts(1).tolist() == [list(step) for step in product((-1, 0, 1), repeat=3)]
