"""Order in time, voxel grids, and registration that the metadata state."""

from dataclasses import replace

import numpy as np
import pytest

from pytest_safegen.core.scan import Scan, Series
from pytest_safegen.core.targets import ScanTarget, SeriesTarget
from pytest_safegen.testing import phantom
from safegen_detectors.longitudinal import LongitudinalDetector
from safegen_detectors.longitudinal.measures.acquisition import time_reversals, visit_numbers


def test_equal_times_are_a_reversal_and_unknown_ones_are_skipped():
    assert time_reversals([0.0, None, 3.0, 3.0, 2.0]) == [(2, 3), (3, 4)]


@pytest.mark.parametrize(
    ("sessions", "numbers"),
    [
        (["01", "02"], [1, 2]),
        (["m12", "m06"], [12, 6]),
        (["20240101", "20230101"], None),
        (["pre", "post"], None),
        (["01", None], None),
        (["a1", "b2"], None),
    ],
)
def test_only_small_numbers_count_as_visit_numbers(sessions, numbers):
    assert visit_numbers(sessions) == numbers


def visit(number: int, *, months: float | None = None, **labels: str) -> Scan:
    scan = phantom(1, session=number)
    return replace(scan, ref=replace(scan.ref, months=months, labels=labels))


def score(*scans: Scan) -> dict[str, float]:
    series = Series("p", "p", tuple(scan.ref for scan in scans))
    target = SeriesTarget(series, tuple(ScanTarget(scan.ref, scan) for scan in scans))
    measures = LongitudinalDetector().open(None, device="cpu").score([target])[0].measures
    return {measure.name: measure.value for measure in measures}


def test_a_grid_that_is_stated_the_same_is_compared():
    first, same = (visit(n, same_grid="yes") for n in (1, 2))
    moved = replace(same, affine=same.affine @ np.diag([1, 1, 1.1, 1]))

    assert score(first, same)["grid_changed_despite_same_grid"] == 0
    assert score(first, moved)["grid_changed_despite_same_grid"] == 1
    assert "grid_changed_despite_same_grid" not in score(visit(1), visit(2))


def test_a_stated_registration_is_measured():
    first, same = (visit(n, coregistered="yes") for n in (1, 2))
    shift = np.eye(4)
    shift[:3, 3] = [6.0, 0, 0]
    moved = replace(same, affine=shift @ same.affine)

    assert score(first, same)["registration_shift"] < 1.5
    assert score(first, moved)["registration_shift"] == pytest.approx(6, abs=1.5)
    assert score(first, moved)["registration_turn"] < 2
