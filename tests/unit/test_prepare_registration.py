"""Registration finds known movements, the same every time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from prepare_samples import HEAD, PLACE, known_map, positions
from scipy.spatial.transform import Rotation

from pytest_safegen.core.errors import NotJudged
from pytest_safegen.core.scan import Prepared
from pytest_safegen.prepare.canonical import canonical
from pytest_safegen.prepare.registration import _register_once, register
from pytest_safegen.prepare.resample import (
    resample,
)
from pytest_safegen.testing import SPACING, phantom


def moved(fixed: Prepared, mapping: np.ndarray) -> Prepared:
    """The fixed scan as it looks where `mapping` (fixed mm to moving mm) carries it."""
    back = np.linalg.inv(mapping)
    voxels, body = (
        resample(
            np.asarray(part, np.float32),
            fixed.affine,
            to_affine=fixed.affine,
            to_shape=fixed.voxels.shape,
            mapping=back,
        )
        for part in (fixed.voxels, fixed.body)
    )
    return Prepared(voxels, body > 0.5, fixed.affine, np.eye(4))


def off_by(found: np.ndarray, truth: np.ndarray, fixed: Prepared) -> float:
    """The mean distance in mm over the body between two maps."""
    points = positions(fixed.voxels.shape, fixed.affine)[fixed.body]
    one, two = (points @ m[:3, :3].T + m[:3, 3] for m in (found, truth))
    return float(np.linalg.norm(one - two, axis=1).mean())


def far_off(subject: int) -> Prepared:
    """A phantom that does not lie about the origin of its world."""
    scan = phantom(subject)
    affine = np.array(scan.affine)
    affine[:3, 3] += PLACE
    return canonical(replace(scan, affine=affine), HEAD)


RIGID = [
    known_map(degrees=(0, 0, 0), shift=(0, 0, 0)),
    known_map(degrees=(8, 0, 0), shift=(6, -5, 4)),
    known_map(degrees=(-4, 6, -7), shift=(-8, 3, 6)),
]


@pytest.mark.parametrize("truth", RIGID)
def test_registration_finds_a_rigid_movement(truth: np.ndarray) -> None:
    fixed = far_off(1)
    found = register(fixed, moved(fixed, truth), kind="rigid")
    assert off_by(found, truth, fixed) < SPACING


def test_registration_finds_the_angle() -> None:
    fixed = far_off(1)
    found = register(fixed, moved(fixed, RIGID[1]), kind="rigid")
    turn = Rotation.from_matrix(found[:3, :3] @ RIGID[1][:3, :3].T).magnitude()
    assert np.degrees(turn) < 3.0


def test_registration_finds_an_affine_change() -> None:
    fixed = far_off(1)
    truth = known_map(degrees=(4, -3, 3), shift=(5, -4, 3), scale=(1.08, 0.94, 1.03))
    assert off_by(register(fixed, moved(fixed, truth), kind="affine"), truth, fixed) < SPACING


def test_a_rigid_registration_keeps_lengths() -> None:
    fixed = canonical(phantom(1), HEAD)
    found = register(fixed, canonical(phantom(2), HEAD), kind="rigid")
    np.testing.assert_allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-6)


def test_registration_gives_the_same_twice() -> None:
    fixed, other = (canonical(phantom(n), HEAD) for n in (1, 2))
    one, two = (register(fixed, other, kind="affine") for _ in range(2))
    np.testing.assert_allclose(one, two, atol=1e-9)


IMPOSSIBLE = {
    "mirrored": np.diag([-1.0, 1, 1, 1]),
    "flattened": np.diag([1.0, 1, 0.3, 1]),
    "stretched": np.diag([1.0, 2.5, 1, 1]),
}


def diverges(monkeypatch: pytest.MonkeyPatch, end: np.ndarray, *, times: int) -> None:
    """Let the first runs of a registration end at one map, with the best value of all."""
    once, failures = _register_once, iter(range(times))

    def run(*images: Any, **options: Any) -> tuple[float, np.ndarray]:
        return once(*images, **options) if next(failures, None) is None else (-9.0, end)

    monkeypatch.setattr("pytest_safegen.prepare.registration._register_once", run)


@pytest.mark.parametrize("end", IMPOSSIBLE)
def test_a_registration_that_diverges_is_run_again(
    monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    fixed = far_off(1)
    diverges(monkeypatch, IMPOSSIBLE[end], times=1)
    found = register(fixed, moved(fixed, RIGID[1]), kind="rigid")
    assert off_by(found, RIGID[1], fixed) < SPACING


def test_a_scan_whose_registration_always_diverges_is_not_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fixed = far_off(1)
    diverges(monkeypatch, IMPOSSIBLE["mirrored"], times=2)
    with pytest.raises(NotJudged, match="mirrored or distorted"):
        register(fixed, fixed, kind="affine")
