"""Similarity of two images against plain references and arrays whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import ndimage

from safegen_detectors.longitudinal.maths.similarity import (
    equal_share,
    fine_correlation,
    gradient_correlation,
    grain_correlation,
    intensity_change,
    largest_outlying_region,
    largest_region_below,
    local_correlation,
    local_match_map,
    noise_correlation,
    self_similarity,
    self_similarity_distance,
    smooth_within,
)

SHAPE = (40, 40, 40)
ALL = np.ones(SHAPE, dtype=bool)


def correlated_noise(seed: int, shape=(14, 15, 16)) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.0)
    return (field / field.std()).astype(np.float32)


def test_local_correlation_is_pearsons_of_each_window():
    a, b = correlated_noise(0), correlated_noise(1) + correlated_noise(0)
    found = local_correlation(a, b)
    for i, j, k in [(5, 5, 5), (7, 9, 3), (10, 4, 12)]:
        window = np.s_[i - 3 : i + 4, j - 3 : j + 4, k - 3 : k + 4]
        expected = np.corrcoef(a[window].ravel(), b[window].ravel())[0, 1]

        assert found[i, j, k] == pytest.approx(expected, abs=1e-5)


def test_local_correlation_of_flat_windows_is_zero():
    assert local_correlation(correlated_noise(0), np.ones((14, 15, 16), np.float32)).max() == 0


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(0.2, 5.0), offset=st.floats(-5.0, 5.0))
def test_local_correlation_ignores_gain_and_offset(gain, offset):
    a, b = correlated_noise(0), correlated_noise(1) + correlated_noise(0)
    changed = (gain * b + offset).astype(np.float32)

    np.testing.assert_allclose(local_correlation(a, changed), local_correlation(a, b), atol=2e-3)


def test_self_similarity_follows_its_definition_at_one_voxel():
    image, at = correlated_noise(3), np.array([7, 7, 8])
    steps = [sign * 2 * np.eye(3, dtype=int)[axis] for axis in range(3) for sign in (-1, 1)]

    def patch(centre):
        return image[tuple(slice(c - 2, c + 3) for c in centre)]

    distances = [
        float(np.mean((patch(at - steps[m]) - patch(at - steps[n])) ** 2))
        for m in range(6)
        for n in range(m + 1, 6)
        if m // 2 != n // 2
    ]
    above = np.array(distances) - min(distances)
    expected = np.exp(-above / above.mean())

    np.testing.assert_allclose(self_similarity(image)[:, *at], expected, rtol=1e-4)


@pytest.mark.parametrize("measure", ["local", "self_similarity", "gradient"])
def test_similarity_falls_as_noise_rises(measure):
    image, where = correlated_noise(0), np.ones((14, 15, 16), bool)

    def dissimilarity(strength):
        other = image + strength * correlated_noise(9)
        if measure == "local":
            return -float(local_match_map(image, other).mean())
        if measure == "self_similarity":
            return float(self_similarity_distance(image, other).mean())
        return -gradient_correlation(image, other, where=where, sigma_voxels=1.0)

    steps = [dissimilarity(strength) for strength in (0.0, 0.3, 0.8, 2.0)]

    assert steps == sorted(steps)
    assert steps[0] < steps[-1]


def test_equal_share_counts_repeated_voxels_below_the_top():
    first = np.arange(8.0, dtype=np.float32).reshape(2, 2, 2)
    second = first.copy()
    second[0, 0, 0] = 5.5

    share = equal_share(first, second, where=np.ones((2, 2, 2), bool))

    assert share == pytest.approx(6 / 7)


def test_noise_correlation_tells_a_copy_from_a_rescan():
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((40, 40, 20)), 6)
    rng = np.random.default_rng(1)
    first, second = (
        (300 * smooth + rng.standard_normal(smooth.shape)).astype(np.float32) for _ in range(2)
    )
    options = {"where": np.ones(smooth.shape, bool), "sigmas": (1, 1, 0)}

    assert noise_correlation(first, first, **options) == pytest.approx(1.0)
    assert abs(noise_correlation(first, second, **options)) < 0.1


def test_noise_correlation_of_few_voxels_is_unknown():
    image = correlated_noise(0)

    assert (
        noise_correlation(image, image, where=image > image.max() - 0.1, sigmas=(1, 1, 0)) is None
    )


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
    assert np.linalg.norm(region.peak - 20) < 5


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

    assert (region.voxels, region.peak.tolist()) == (64, [12, 12, 12])
