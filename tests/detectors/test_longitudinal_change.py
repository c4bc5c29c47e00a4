"""What stands out of a pair's own differences, on arrays whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from safegen_detectors.longitudinal.maths.similarity import (
    fine_correlation,
    grain_correlation,
    intensity_change,
    largest_outlying_region,
    largest_region_below,
    smooth_within,
)

SHAPE = (40, 40, 40)
ALL = np.ones(SHAPE, dtype=bool)


def noise(seed: int, sigma: float = 0.0) -> np.ndarray:
    field = np.random.default_rng(seed).standard_normal(SHAPE)
    field = ndimage.gaussian_filter(field, sigma) if sigma else field
    return (field / field.std()).astype(np.float32)


def ball(radius: float) -> np.ndarray:
    return radius >= np.linalg.norm(np.indices(SHAPE).T - 20, axis=-1).T


def test_means_are_over_the_zone_alone():
    where = np.indices(SHAPE)[0] < 20
    values = np.where(where, 1.0, 100.0).astype(np.float32)

    found = smooth_within(values, where=where)

    assert found[where] == pytest.approx(1.0, abs=1e-3)
    assert found[~where].max() == 0


def test_a_region_that_stands_out_is_counted_and_found():
    values = smooth_within(noise(0) + 30 * ball(5), where=ALL)

    region = largest_outlying_region(values, where=ALL, deviations=8)

    assert region.voxels >= 0.5 * ball(5).sum()
    assert np.linalg.norm(region.middle - 20) < 5


def test_nothing_stands_out_of_noise():
    assert (
        largest_outlying_region(smooth_within(noise(0), where=ALL), where=ALL, deviations=8).voxels
        == 0
    )


def test_a_gain_is_no_change_of_intensity_and_a_lump_is():
    before = noise(1, 3)
    after = 1.3 * before + 0.2 + 0.05 * noise(2)
    options = {"where": ALL, "spacing": 2.0}
    lump = ball(4)

    plain = intensity_change(before, after, **options)
    planted = intensity_change(before, after + 3 * lump, **options)

    assert np.abs(plain).mean() < 1.2
    assert planted[lump].mean() > 5


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0.99, 1.01), (0.5, 0.8, 0.95)])
def test_grain_repeats_in_a_copy_under_noise(share, least, most):
    first = 10 * noise(3, 6) + noise(4)
    copy = first + share * noise(5)

    assert least < grain_correlation(first, copy, where=ALL) < most


def test_grain_of_two_acquisitions_does_not_repeat():
    anatomy = 10 * noise(3, 6)

    found = grain_correlation(anatomy + noise(4), anatomy + noise(5), where=ALL)

    assert abs(found) < 0.1


def test_fine_structure_is_kept_by_a_gain_and_lost_when_it_is_drawn_anew():
    smooth, fine = noise(6, 8), noise(7, 1)
    first = smooth + fine

    assert fine_correlation(first, 1.4 * first, where=ALL) == pytest.approx(1, abs=1e-3)
    assert abs(fine_correlation(first, smooth + noise(8, 1), where=ALL)) < 0.2


def test_the_largest_region_below_a_level_is_found_with_its_lowest_place():
    values = np.ones((20, 20, 20), np.float32)
    values[2:4, 2:4, 2:4] = 0.1
    values[10:14, 10:14, 10:14] = 0.5
    values[12, 12, 12] = 0.4

    region = largest_region_below(values, where=np.ones(values.shape, bool), level=0.7)

    assert (region.voxels, region.middle.tolist()) == (64, [12, 12, 12])
