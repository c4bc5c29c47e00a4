"""The parts of the fault bank: canvases, fields, shapes and the membrane."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_safegen.faults import Canvas, canvas_of
from pytest_safegen.faults.fields import plane_wave, resample_lines, rotation, smooth
from pytest_safegen.faults.filters import block_mean
from pytest_safegen.faults.membrane import membrane
from pytest_safegen.faults.regions import random_region
from pytest_safegen.testing import phantom

RANDOM_SEEDS = range(30)


def test_the_floor_is_the_background_and_the_contrast_reaches_to_the_tissue() -> None:
    canvas = canvas_of(phantom(1))
    assert canvas.floor == 0.0
    assert canvas.contrast == pytest.approx(np.percentile(phantom(1).voxels[canvas.body], 98), 0.02)


def test_the_body_is_the_head() -> None:
    scan = phantom(1)
    body, head = canvas_of(scan).body, scan.voxels > 0
    assert (body & head).sum() / (body | head).sum() > 0.9


def test_a_donor_is_brought_to_the_range_of_the_scan() -> None:
    brighter = replace(phantom(2), voxels=phantom(2).voxels * 10)
    donor = canvas_of(phantom(1), brighter).donor
    assert donor is not None
    assert donor.max() == pytest.approx(phantom(1).voxels.max(), rel=0.2)


def test_a_donor_of_another_shape_gives_nothing() -> None:
    small = replace(phantom(2), voxels=phantom(2).voxels[:20])
    assert canvas_of(phantom(1), small).donor is None


@pytest.mark.parametrize(
    ("voxels", "body", "message"),
    [
        (np.zeros((4, 4, 4)), np.zeros((4, 4, 4), bool), "float32"),
        (np.zeros((4, 4, 4), np.float32), np.zeros((4, 4, 3), bool), "The body"),
        (np.full((4, 4, 4), np.nan, np.float32), np.zeros((4, 4, 4), bool), "finite"),
    ],
)
def test_a_canvas_of_wrong_arrays_is_refused(voxels, body, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Canvas(voxels, body, (1.0, 1.0, 1.0))


def test_a_donor_on_another_grid_is_refused() -> None:
    voxels, body = np.zeros((4, 4, 4), np.float32), np.zeros((4, 4, 4), bool)
    with pytest.raises(ValueError, match="donor"):
        Canvas(voxels, body, (1.0, 1.0, 1.0), voxels[:3])


def test_a_canvas_without_body_is_used_as_a_whole() -> None:
    voxels = np.random.default_rng(0).random((20, 20, 20), dtype=np.float32)
    canvas = Canvas(voxels, np.zeros(voxels.shape, bool), (1.0, 1.0, 1.0))
    assert random_region(canvas, np.random.default_rng(0)).inside.sum() > 30


def test_a_membrane_over_a_plane_is_the_plane() -> None:
    i, j, k = np.indices((20, 22, 18)).astype(np.float32)
    plane = 2 * i - j + 0.5 * k
    known = np.ones(plane.shape, bool)
    known[5:15, 6:16, 4:14] = False
    filled = membrane(np.where(known, plane, 0), known)
    assert float(np.abs(filled - plane).max()) < 0.08 * float(np.ptp(plane))


def test_a_membrane_leaves_what_is_known() -> None:
    values = np.random.default_rng(0).random((9, 8, 7), dtype=np.float32)
    known = values > 0.5
    np.testing.assert_array_equal(membrane(values, known)[known], values[known])


def test_a_membrane_stays_within_its_border() -> None:
    values = np.random.default_rng(0).random((16, 16, 16), dtype=np.float32)
    known = np.ones(values.shape, bool)
    known[3:13, 3:13, 3:13] = False
    filled = membrane(values, known)[~known]
    assert values[known].min() <= filled.min() <= filled.max() <= values[known].max()


@pytest.mark.parametrize("axis", range(3))
def test_reading_lines_at_their_own_places_changes_nothing(axis: int) -> None:
    values = np.random.default_rng(0).random((7, 8, 9), dtype=np.float32)
    places = np.arange(values.shape[axis]).reshape([-1 if own == axis else 1 for own in range(3)])
    np.testing.assert_allclose(resample_lines(values, places.astype(float), axis=axis), values)


def test_reading_lines_outside_gives_the_fill() -> None:
    values = np.ones((5, 1, 1), np.float32)
    places = np.array([-2.0, 1.0, 7.0]).reshape(3, 1, 1)
    assert resample_lines(values, places, axis=0, fill=-9).ravel().tolist() == [-9, 1, -9]


def test_cubic_lines_reproduce_a_line() -> None:
    values = np.arange(10, dtype=np.float32).reshape(10, 1, 1)
    places = np.array([2.25, 5.5, 6.9]).reshape(3, 1, 1)
    found = resample_lines(values, places, axis=0)
    np.testing.assert_allclose(found, places, rtol=1e-5)


def test_block_means_keep_the_mean() -> None:
    values = np.random.default_rng(0).random((12, 10, 9), dtype=np.float32)
    found = block_mean(values, [3, 4, 2], phase=1)
    assert float(found.mean()) == pytest.approx(float(values.mean()), rel=1e-5)


def test_a_smooth_field_is_smooth_and_varies() -> None:
    field = smooth((40, 40, 40), np.random.default_rng(0), cells=4)
    assert 0.4 < field.std() < 1.6
    assert np.abs(np.diff(field, axis=0)).max() < 1


def test_a_plane_wave_has_its_period() -> None:
    wave = plane_wave((64, 1, 1), np.random.default_rng(0), period=8)
    assert int(np.argmax(np.abs(np.fft.rfft(wave[:, 0, 0])))) == 8


def test_a_rotation_keeps_lengths() -> None:
    turn = rotation(np.random.default_rng(0))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)


def test_regions_have_sizes_between_their_limits() -> None:
    voxels = np.zeros((80, 80, 80), np.float32)
    voxels[10:70, 10:70, 10:70] = 1
    canvas = Canvas(voxels, voxels > 0, (2.0, 2.0, 2.0))
    regions = [random_region(canvas, np.random.default_rng(seed)) for seed in RANDOM_SEEDS]
    assert all(4.0 <= region.radius <= 30.0 for region in regions)
    assert all(region.inside.any() for region in regions)


def test_a_region_fits_its_box() -> None:
    """A shape is cut off by the volume's border only."""
    voxels = np.zeros((120, 120, 120), np.float32)
    voxels[55:65, 55:65, 55:65] = 1
    canvas = Canvas(voxels, voxels > 0, (2.0, 2.0, 2.0))
    for seed in RANDOM_SEEDS:
        weight = random_region(canvas, np.random.default_rng(seed)).weight
        faces = [weight.take(place, axis) for axis in range(3) for place in (0, -1)]
        assert max(float(face.max()) for face in faces) == 0
