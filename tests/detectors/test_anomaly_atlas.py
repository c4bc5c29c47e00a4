"""The atlas and the statistics of the anomaly check: small numbers that can be done by hand."""

import numpy as np
import pytest
import torch

from safegen_detectors.anomaly.atlas import (
    Atlas,
    Sums,
    atlas_of,
    correlation_of,
    empty_sums,
    whitened,
)
from safegen_detectors.anomaly.statistics import (
    BRANCHES,
    departures,
    location_statistics,
    quality_distance,
    quality_model,
    quality_vector,
    spread_of,
)

SHAPE = (3, 8, 8, 8)
EVERYWHERE = torch.ones(SHAPE[1:], dtype=torch.bool)


def maps(seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=SHAPE)).float()


def sums(*seeds: int) -> Sums:
    total = empty_sums(maps(0))
    for seed in seeds:
        total = total.plus(maps(seed))
    return total


def mixed(seed: int) -> torch.Tensor:
    """Maps whose second feature follows the first."""
    own = maps(seed)
    return torch.stack([own[0], 0.8 * own[0] + 0.6 * own[1], own[2]])


def test_dropping_a_scan_is_as_if_it_had_never_been_added() -> None:
    dropped, never = sums(1, 2, 3).drop(maps(2)), sums(1, 3)

    assert dropped.count == never.count
    torch.testing.assert_close(dropped.first, never.first, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(dropped.second, never.second, atol=1e-5, rtol=1e-5)


def test_the_order_of_scans_does_not_matter() -> None:
    torch.testing.assert_close(sums(1, 2, 3).second, sums(3, 1, 2).second)


def test_a_feature_that_is_the_same_everywhere_keeps_its_mean() -> None:
    total = empty_sums(maps(0)).plus(torch.full(SHAPE, 2.0)).plus(torch.full(SHAPE, 4.0))

    torch.testing.assert_close(atlas_of(total, EVERYWHERE).mean, torch.full(SHAPE, 3.0))


def test_the_deviation_is_the_sample_standard_deviation() -> None:
    total = empty_sums(maps(0)).plus(torch.full(SHAPE, 2.0)).plus(torch.full(SHAPE, 4.0))

    expected = torch.full(SHAPE, float(np.std([2.0, 4.0], ddof=1)))
    torch.testing.assert_close(atlas_of(total, EVERYWHERE).deviation, expected)


def test_the_mean_scan_has_no_distance() -> None:
    atlas = atlas_of(sums(*range(6)), EVERYWHERE)

    assert float(atlas.distance(atlas.standardized(atlas.mean)).max()) == 0.0


def test_nothing_is_measured_outside_the_region() -> None:
    region = EVERYWHERE.clone()
    region[:4] = False
    atlas = atlas_of(sums(*range(6)), region)

    distance = atlas.distance(atlas.standardized(maps(9)))

    assert float(distance[:4].abs().max()) == 0.0


def test_distance_grows_in_proportion_to_the_departure() -> None:
    atlas = atlas_of(sums(*range(6)), EVERYWHERE)
    standardized = atlas.standardized(maps(9))

    torch.testing.assert_close(
        atlas.distance(3 * standardized), 3 * atlas.distance(standardized), rtol=1e-4, atol=1e-5
    )


def test_correlation_is_that_of_numpy() -> None:
    own = mixed(1)

    actual = correlation_of(own, EVERYWHERE).numpy()

    flat = own.reshape(3, -1).numpy()
    np.testing.assert_allclose(actual, flat @ flat.T / flat.shape[1], atol=1e-5)


def test_whitening_makes_a_departure_against_the_correlation_larger_than_one_along_it() -> None:
    correlation = torch.tensor([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0]])
    plain = Atlas(torch.zeros(SHAPE), torch.ones(SHAPE), torch.eye(3), EVERYWHERE)
    atlas = whitened(plain, correlation)

    along, against = (
        torch.tensor(direction)[:, None, None, None].expand(SHAPE)
        for direction in ([1.0, 1.0, 0.0], [1.0, -1.0, 0.0])
    )

    assert float(atlas.distance(against).mean()) > 2 * float(atlas.distance(along).mean())


def test_peak_and_mean_of_a_map_are_its_maximum_and_mean() -> None:
    distance = torch.arange(512.0).reshape(SHAPE[1:])

    statistics = location_statistics(distance, EVERYWHERE)

    assert (statistics[0], statistics[-1]) == (511.0, 255.5)


def test_location_statistics_descend_from_the_peak_to_the_whole() -> None:
    statistics = location_statistics(torch.rand(20, 20, 20), torch.ones(20, 20, 20).bool())

    assert statistics == sorted(statistics, reverse=True)


def test_voxels_outside_the_region_do_not_count() -> None:
    distance = torch.zeros(SHAPE[1:])
    distance[0, 0, 0] = 100.0

    assert max(location_statistics(distance, EVERYWHERE & (distance == 0))) == 0.0


def test_the_quality_vector_holds_mean_and_deviation_of_each_feature() -> None:
    own = maps(5)

    flat = own.reshape(3, -1).numpy()
    expected = np.concatenate([flat.mean(1), flat.std(1, ddof=1)])
    np.testing.assert_allclose(quality_vector(own, EVERYWHERE), expected, atol=1e-5)


def test_the_quality_distance_with_unit_precision_is_the_root_mean_square() -> None:
    vector = np.array([3.0, 4.0])

    actual = quality_distance(vector, np.zeros(2), np.eye(2))

    assert actual == pytest.approx(np.sqrt(12.5))


def test_real_scans_are_about_one_quality_distance_from_their_mean() -> None:
    vectors = np.random.default_rng(0).normal(3, 2, size=(500, 4))
    model = quality_model(vectors)

    distances = [quality_distance(vector, *model) for vector in vectors]

    assert np.mean(np.square(distances)) == pytest.approx(1.0, abs=0.1)


def raw_statistics() -> np.ndarray:
    return np.exp(np.random.default_rng(1).normal(size=(101, len(BRANCHES))))


def test_the_median_scan_departs_in_no_branch() -> None:
    raw = raw_statistics()

    np.testing.assert_allclose(departures(np.median(raw, axis=0), spread_of(raw)), 0, atol=1e-9)


@pytest.mark.parametrize("branch", range(len(BRANCHES)), ids=BRANCHES)
def test_a_departure_rises_with_its_own_statistic_alone(branch: int) -> None:
    raw = raw_statistics()
    middle = np.median(raw, axis=0)
    facts = spread_of(raw)

    away = departures(np.where(np.arange(len(BRANCHES)) == branch, 10 * middle, middle), facts)

    assert away[branch] > 1
    np.testing.assert_allclose(np.delete(away, branch), 0, atol=1e-9)


def test_real_scans_that_are_all_the_same_give_a_finite_scale() -> None:
    facts = spread_of(np.ones((5, len(BRANCHES))))

    assert np.isfinite(departures(np.full(len(BRANCHES), 2.0), facts)).all()
