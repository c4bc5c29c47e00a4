"""Timepoints side by side lie on one grid, and so do their maps."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace

import numpy as np
import pytest

from pytest_safegen import Heatmap, Scan
from pytest_safegen.testing import phantom
from safegen_reports.html.images.timepoints import MAX_TIMEPOINTS, align_series

pytestmark = pytest.mark.slow

SHIFT = np.array([9.0, -7.0, 5.0])
PLACE = (14, 30, 22)


def _timepoint(session: int, *, shift: bool = False) -> Scan:
    scan = phantom(1, session=session)
    affine = np.array(scan.affine)
    if shift:
        affine[:3, 3] += SHIFT
    return replace(scan, affine=affine, ref=replace(scan.ref, months=float(session)))


def _read(scans: list[Scan]):
    by_target = {scan.ref.target: scan for scan in scans}
    return [scan.ref for scan in scans], lambda ref: by_target[ref.target]


def _values(facts) -> np.ndarray:
    planes = np.frombuffer(zlib.decompress(base64.b64decode(facts["data"])), np.uint8)
    planes = planes.reshape(facts["bytes"], -1).astype(float)
    codes = sum(planes[n] * 256**n for n in range(facts["bytes"]))
    return facts["low"] + facts["step"] * np.asarray(codes).reshape(facts["shape"], order="F")


@pytest.fixture(scope="module")
def moved():
    """Two timepoints of one phantom, the second in another place of the world."""
    return align_series(*_read([_timepoint(1), _timepoint(2, shift=True)]), None)


def test_a_patient_who_lay_elsewhere_is_laid_over_the_first_scan(moved) -> None:
    first, second = map(_values, moved.encoded)
    inner = (slice(12, 28), slice(14, 34), slice(12, 28))
    assert all(point.aligned for point in moved.timepoints)
    assert np.corrcoef(first[inner].ravel(), second[inner].ravel())[0, 1] > 0.8


def test_a_map_of_a_later_timepoint_is_brought_along(moved) -> None:
    later = _timepoint(2, shift=True)
    values = np.zeros(later.voxels.shape, np.float32)
    values[tuple(slice(p - 1, p + 2) for p in PLACE)] = 2.0
    shown = moved.on_grid(Heatmap(values, later.affine, "odd"), later.ref.target)
    highest = np.unravel_index(shown.values.argmax(), shown.values.shape)
    assert np.abs(np.array(highest) - PLACE).max() <= 1


def test_a_place_of_a_later_timepoint_is_named_in_the_space_of_the_first(moved) -> None:
    later = _timepoint(2, shift=True)
    there = later.affine[:3, :3] @ PLACE + later.affine[:3, 3]
    here = moved.to_first(tuple(there), later.ref.target)
    assert np.abs(np.array(here) - (there - SHIFT)).max() < 3.0


def test_the_first_timepoint_stays_where_it_is(moved) -> None:
    first = _timepoint(1)
    assert moved.to_first((1.0, 2.0, 3.0), first.ref.target) == (1.0, 2.0, 3.0)


def test_what_cannot_be_registered_is_placed_by_its_header() -> None:
    empty = replace(_timepoint(2), voxels=np.zeros((40, 48, 40), np.float32))
    found = align_series(*_read([_timepoint(1), empty]), None)
    assert [point.aligned for point in found.timepoints] == [True, False]


def test_of_many_timepoints_the_first_and_the_last_are_among_those_shown() -> None:
    empty = np.zeros((4, 4, 4), np.float32)
    scans = [replace(_timepoint(n), voxels=empty) for n in range(1, 11)]
    found = align_series(*_read(scans), None)
    months = [point.ref.months for point in found.timepoints]
    assert (len(months), months[0], months[-1]) == (MAX_TIMEPOINTS, 1.0, 10.0)
