"""The mathematics of the longitudinal check against plain references and closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import ndimage

from safegen_detectors.longitudinal.inputs.geometry import (
    depth_outside,
    mask_points,
    mask_volume,
    mean_size_change,
    rasterize_points,
    spacing_change,
)
from safegen_detectors.longitudinal.inputs.pathologies import (
    ANY_LESION,
    DAYS_PER_YEAR,
    growth_band,
    sphere_diameter,
)
from safegen_detectors.longitudinal.maths.growth import doubling_days, growth_speed, volume_noise
from safegen_detectors.longitudinal.maths.similarity import (
    equal_share,
    gradient_correlation,
    local_correlation,
    local_match_map,
    noise_correlation,
    self_similarity,
    self_similarity_distance,
)
from safegen_detectors.longitudinal.measures.acquisition import time_reversals, visit_numbers

positive = st.floats(0.01, 1000.0)


def noise(seed: int, shape=(14, 15, 16)) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.0)
    return (field / field.std()).astype(np.float32)


def test_local_correlation_is_pearsons_of_each_window():
    a, b = noise(0), noise(1) + noise(0)
    found = local_correlation(a, b)
    for i, j, k in [(5, 5, 5), (7, 9, 3), (10, 4, 12)]:
        window = np.s_[i - 3 : i + 4, j - 3 : j + 4, k - 3 : k + 4]
        expected = np.corrcoef(a[window].ravel(), b[window].ravel())[0, 1]

        assert found[i, j, k] == pytest.approx(expected, abs=1e-5)


def test_local_correlation_of_flat_windows_is_zero():
    assert local_correlation(noise(0), np.ones((14, 15, 16), np.float32)).max() == 0


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(0.2, 5.0), offset=st.floats(-5.0, 5.0))
def test_local_correlation_does_not_see_gain_or_offset(gain, offset):
    a, b = noise(0), noise(1) + noise(0)
    changed = (gain * b + offset).astype(np.float32)

    np.testing.assert_allclose(local_correlation(a, changed), local_correlation(a, b), atol=2e-3)


def test_self_similarity_follows_its_definition_at_one_voxel():
    image, at = noise(3), np.array([7, 7, 8])
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
def test_likeness_falls_as_noise_rises(measure):
    image, where = noise(0), np.ones((14, 15, 16), bool)

    def unlikeness(strength):
        other = image + strength * noise(9)
        if measure == "local":
            return -float(local_match_map(image, other).mean())
        if measure == "self_similarity":
            return float(self_similarity_distance(image, other).mean())
        return -gradient_correlation(image, other, where=where, sigma_voxels=1.0)

    steps = [unlikeness(strength) for strength in (0.0, 0.3, 0.8, 2.0)]

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
    image = noise(0)

    assert (
        noise_correlation(image, image, where=image > image.max() - 0.1, sigmas=(1, 1, 0)) is None
    )


def test_volume_and_diameter_of_a_ball_agree():
    distance = np.linalg.norm(np.indices((41, 41, 41)) - 20.0, axis=0) * 0.5
    affine = np.diag([0.5, 0.5, 0.5, 1.0])

    assert sphere_diameter(mask_volume(distance <= 8.0, affine)) == pytest.approx(16.0, rel=0.01)


@given(days=positive, doublings=st.floats(0.01, 10.0))
def test_doubling_time_is_the_time_of_one_doubling(days, doublings):
    found = doubling_days(math.log(2) * doublings, days=days)

    assert found == pytest.approx(days / doublings)


def test_without_growth_the_doubling_time_is_infinite():
    assert doubling_days(0.0, days=10) == math.inf


@given(first=positive, factor=st.floats(1.0, 20.0), more=st.floats(1.01, 5.0))
def test_faster_growth_never_scores_lower(first, factor, more):
    options = {"days": 30.0, "noise": 0.05, "band": ANY_LESION}

    slow = growth_speed(first, first * factor, **options)

    assert growth_speed(first, first * factor * more, **options) >= slow


def test_growth_speed_is_one_at_the_limit_of_its_band():
    band = growth_band("glioblastoma")

    found = growth_speed(1.0, 2.0, days=band.limit, noise=0.0, band=band)

    assert found == pytest.approx(1.0)


def test_diameter_speed_is_in_millimetres_a_year():
    band = growth_band("low-grade glioma")
    volumes = [math.pi / 6 * d**3 / 1000 for d in (20.0, 45.0)]

    found = growth_speed(*volumes, days=DAYS_PER_YEAR, noise=0.0, band=band)

    assert found == pytest.approx(1.0)


def test_growth_speed_is_a_half_at_the_fastest_published_growth():
    band = growth_band("glioblastoma")

    found = growth_speed(1.0, 2.0, days=band.edge, noise=0.0, band=band)

    assert found == pytest.approx(0.5)


def test_growth_within_the_noise_has_no_speed():
    assert growth_speed(1.0, 1.1, days=1, noise=0.1, band=ANY_LESION) == 0.0


def test_a_lesion_below_one_and_a_half_voxels_across_cannot_be_measured():
    assert volume_noise(0.0017, spacing=(1.0, 1.0, 1.0)) is None
    assert volume_noise(0.005, spacing=(1.0, 1.0, 1.0)) == pytest.approx(0.222, abs=0.01)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Glioblastoma", "a high-grade glioma"),
        ("lung_nodule", "a lung nodule"),
        ("low grade glioma", "a low-grade glioma"),
        ("MS", "a multiple sclerosis lesion"),
        ("brain metastasis of lung cancer", "a brain metastasis"),
        ("metastasis", "a brain metastasis"),
        ("liver metastasis of colon cancer", "any lesion"),
        ("anaplastic oligodendroglioma WHO 3", "a high-grade glioma"),
        ("oligodendroglioma", "a low-grade glioma"),
        ("ground-glass nodule", "a ground-glass lung nodule"),
        ("something new", "any lesion"),
        (None, "any lesion"),
    ],
)
def test_a_pathology_is_known_as_people_write_it(text, name):
    assert growth_band(text).name == name


def test_depth_outside_is_the_distance_to_the_body():
    body = np.zeros((20, 20, 20), bool)
    body[:10] = True
    places = np.array([[4.0, 10, 10], [24.0, 10, 10], [44.0, 10, 10]])

    depths = depth_outside(places, body=body, affine=np.diag([2.0, 2.0, 2.0, 1.0]), spacing=2.0)

    np.testing.assert_allclose(depths, [0.0, 6.0, 26.0])


def test_marked_points_come_back_where_they_were():
    mask = noise(2) > 1.0
    affine = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, -3], [0, 0, 3.0, 1], [0, 0, 0, 1]])

    found = rasterize_points(mask_points(mask, affine), affine=affine, shape=mask.shape)

    np.testing.assert_array_equal(found, mask)


def test_spacing_change_does_not_see_the_order_of_the_axes():
    first = np.diag([1.0, 2.0, 3.0, 1.0])

    assert spacing_change(first, first[:, [1, 0, 2, 3]]) == 0.0
    assert spacing_change(first, np.diag([1.0, 2.0, 3.3, 1.0])) == pytest.approx(0.1)


def test_size_change_is_the_mean_stretch_and_blind_to_turns():
    turn = np.array([[0, -1.0, 0, 9], [1, 0, 0, 3], [0, 0, 1, 2], [0, 0, 0, 1]])

    assert mean_size_change(turn) == pytest.approx(0.0)
    assert mean_size_change(turn @ np.diag([1.03, 1.03, 1.03, 1])) == pytest.approx(0.03)
    assert mean_size_change(np.diag([1.06, 1.0, 1.0, 1.0])) == pytest.approx(0.0196, abs=1e-3)


def test_equal_times_are_a_step_back_and_unknown_ones_are_not():
    assert time_reversals([0.0, None, 3.0, 3.0, 2.0]) == [3, 4]


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
