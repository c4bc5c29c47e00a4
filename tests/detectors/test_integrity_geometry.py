"""Voxel sizes, angles and the patient's axes, from affines and facts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from safegen_detectors.integrity.geometry import (
    along_patient_axes,
    axis_order,
    skew_degrees,
    voxel_size,
)


def test_a_skewed_affine_has_the_planted_angle() -> None:
    affine = np.eye(4)
    affine[:3, 1] = [np.sin(np.radians(20)), np.cos(np.radians(20)), 0]
    assert skew_degrees(affine) == pytest.approx(20)


@given(st.permutations("ijk"), st.lists(st.booleans(), min_size=3, max_size=3))
def test_facts_along_the_body_do_not_depend_on_how_axes_are_stored(
    order: list[str], flips: list[bool]
) -> None:
    letters = {"i": "LR", "j": "PA", "k": "IS"}
    sizes = {"i": 1.0, "j": 2.0, "k": 3.0}
    code = "".join(letters[a][flip] for a, flip in zip(order, flips, strict=True))
    row = {f"spacing_{s}": sizes[a] for s, a in zip("ijk", order, strict=True)}
    assert along_patient_axes({**row, "orientation": code}, "spacing") == (1.0, 2.0, 3.0)


@pytest.mark.parametrize("code", ["", "None", "RRS", "RA"])
def test_an_unknown_orientation_keeps_the_order_of_the_file(code: str) -> None:
    assert axis_order(code) == (0, 1, 2)


@given(st.lists(st.floats(0.1, 10), min_size=3, max_size=3), st.floats(0, 6.3))
def test_voxel_size_does_not_depend_on_the_orientation(sizes: list[float], angle: float) -> None:
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(sizes)
    assert voxel_size(affine) == pytest.approx(np.array(sizes))
