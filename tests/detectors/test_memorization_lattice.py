"""The lattice of blocks: where they lie, and averages over them."""

from __future__ import annotations

import numpy as np
import pytest
from memorization_fields import EVERYWHERE, LATTICE, SHAPE

from safegen_detectors.memorization.features.lattice import (
    BLOCK,
    Lattice,
    average_over_blocks,
    lattice_of,
)

pytestmark = pytest.mark.slow


def test_the_blocks_lie_within_the_grid() -> None:
    assert LATTICE.corners.min() >= 0
    assert (LATTICE.corners.max(0) + BLOCK <= np.array(SHAPE)).all()


def test_no_block_lies_outside_the_body() -> None:
    body = EVERYWHERE.copy()
    body[:, 16:] = False

    assert lattice_of(body, mirrored=(0,)).centres()[:, 1].max() < 16 + BLOCK / 2


def test_a_body_smaller_than_a_block_has_no_blocks() -> None:
    assert len(lattice_of(np.zeros(SHAPE, dtype=bool), mirrored=(0,)).corners) == 0


def test_a_lattice_has_the_mirror_image_of_every_block() -> None:
    body = np.zeros((40, 31, 31), dtype=bool)
    body[3:30, 2:29, 4:28] = True
    cells = lattice_of(body, mirrored=(0,)).cells()

    image = cells * [-1, 1, 1] + [cells[:, 0].max(), 0, 0]

    assert set(map(tuple, image.tolist())) == set(map(tuple, cells.tolist()))


def test_a_large_body_gets_a_wider_lattice() -> None:
    assert lattice_of(np.ones((110, 110, 110), dtype=bool), mirrored=(0,)).stride > LATTICE.stride


def test_a_neighbourhood_is_a_mean_over_a_cube_of_blocks() -> None:
    cells = LATTICE.cells()
    middle = int(np.flatnonzero((cells == cells.max(0) // 2).all(1))[0])

    weights = LATTICE.neighbourhood(3)[middle]

    assert float(weights.sum()) == pytest.approx(1.0)


def test_each_voxel_gets_the_mean_of_the_blocks_over_it() -> None:
    lattice = Lattice(np.array([[0, 0, 0], [2, 0, 0]]), 2)

    spread = average_over_blocks(np.array([1.0, 3.0]), lattice, (20, 12, 12))

    ends = [float(spread[i, 0, 0]) for i in (0, BLOCK + 1, 19)]
    assert (ends, bool(1 < spread[5, 4, 4] < 3)) == ([1.0, 3.0, 0.0], True)
