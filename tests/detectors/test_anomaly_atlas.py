"""The method atlas: whitening, distance, and what it makes of phantoms."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from anomaly_samples import cohort, peak_of, read, with_hole

from safegen_detectors.anomaly.methods.atlas import SHRINKAGE, Atlas, distance, whitening_of
from safegen_detectors.anomaly.methods.base import (
    Learned,
    limit_of,
    mean_inside,
    mean_of_highest,
    top,
)
from safegen_detectors.anomaly.reference import statistics as reference_statistics
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample

pytestmark = pytest.mark.slow

COUNT, UNSEEN = 7, 6
SHAPE = (8, 8, 8)
EVERYWHERE = torch.ones(SHAPE, dtype=torch.bool)


@cache
def known() -> tuple[tuple[Sample, ...], ReferenceStatistics, Learned]:
    samples, reference = cohort(COUNT)
    reference = reference_statistics.with_gaussian(reference, samples[:UNSEEN])
    return samples, reference, Atlas().fit(samples[:UNSEEN], reference, seed=0, device="cpu")


def moments(seed: int, count: int = 5) -> torch.Tensor:
    values = np.random.default_rng(seed).normal(size=(count, 40))
    values[1] += 0.9 * values[0]
    return torch.tensor(values @ values.T / 40, dtype=torch.float32)


def test_whitening_is_a_root_of_the_inverse_of_the_shrunken_correlation() -> None:
    found = whitening_of(moments(0)).double().numpy()

    given = moments(0).double().numpy()
    scale = np.sqrt(np.diag(given))
    correlation = (1 - SHRINKAGE) * given / np.outer(scale, scale) + SHRINKAGE * np.eye(5)
    np.testing.assert_allclose(found.T @ found, np.linalg.inv(correlation), rtol=1e-3, atol=1e-3)


def test_features_that_do_not_correlate_are_left_as_they_are() -> None:
    torch.testing.assert_close(whitening_of(torch.diag(torch.tensor([1.0, 4, 9]))), torch.eye(3))


def test_a_feature_that_never_varies_leaves_whitening_finite() -> None:
    assert bool(torch.isfinite(whitening_of(torch.diag(torch.tensor([1.0, 0, 2])))).all())


def test_a_departure_against_the_correlation_is_farther_than_one_along_it() -> None:
    whitening = whitening_of(torch.tensor([[1.0, 0.8], [0.8, 1.0]]))

    along, against = (
        torch.tensor(direction)[:, None, None, None].expand(2, *SHAPE)
        for direction in ([1.0, 1.0], [1.0, -1.0])
    )

    assert float(distance(against, whitening).mean()) > 2 * float(distance(along, whitening).mean())


def test_the_distance_of_standard_features_is_about_one() -> None:
    values = torch.randn(6, *SHAPE, generator=torch.Generator().manual_seed(0))

    root = distance(values, torch.eye(6)).square().mean().sqrt()

    assert float(root) == pytest.approx(1.0, abs=0.05)


def test_a_hole_departs_more_than_the_same_scan_without() -> None:
    samples, reference, learned = known()
    faulty, _ = with_hole(samples[UNSEEN])

    clean = read(Atlas(), NormalizedSample(samples[UNSEEN], reference), learned).statistics
    found = read(Atlas(), NormalizedSample(faulty, reference), learned).statistics

    assert all(found[name] > clean[name] for name in ("peak", "focal", "regional"))


def test_the_map_is_highest_in_the_hole_and_beyond_the_limit() -> None:
    samples, reference, learned = known()
    faulty, hole = with_hole(samples[UNSEEN])

    found = read(Atlas(), NormalizedSample(faulty, reference), learned).map

    assert found is not None
    assert hole[peak_of(found)]
    assert float(found.max()) > 1


def test_the_map_is_zero_where_nothing_is_judged() -> None:
    samples, reference, learned = known()
    normalized = NormalizedSample(samples[UNSEEN], reference)

    found = read(Atlas(), normalized, learned).map

    assert found is not None
    assert float(found[~normalized.judged].abs().max()) == 0.0


def test_every_sample_has_held_out_statistics() -> None:
    samples, reference, learned = known()

    names = set(read(Atlas(), NormalizedSample(samples[UNSEEN], reference), learned).statistics)

    assert [set(statistics) for statistics in learned.held_out] == [names] * UNSEEN


def test_held_out_samples_are_as_far_as_unseen_ones() -> None:
    samples, reference, learned = known()

    unseen = read(Atlas(), NormalizedSample(samples[UNSEEN], reference), learned).statistics[
        "overall"
    ]

    held_out = [statistics["overall"] for statistics in learned.held_out]
    assert unseen == pytest.approx(np.mean(held_out), rel=0.15)


def test_the_highest_share_of_a_map_is_averaged() -> None:
    values = torch.arange(512.0).reshape(SHAPE)

    shares = (0.0, 0.01, 1.0)
    assert [mean_of_highest(values, EVERYWHERE, share=s) for s in shares] == [511.0, 509.0, 255.5]


def test_an_empty_region_sums_up_to_nothing() -> None:
    values, nowhere = torch.ones(SHAPE), ~EVERYWHERE

    assert [mean_of_highest(values, nowhere, share=0.1), mean_inside(values, nowhere)] == [0.0, 0.0]
    assert top(values, nowhere) == 0.0


def test_voxels_outside_the_region_do_not_count() -> None:
    values = torch.zeros(SHAPE)
    values[0, 0, 0] = 100.0

    assert mean_of_highest(values, values == 0, share=0.0) == 0.0


def test_the_limit_is_the_median_top_and_never_zero() -> None:
    assert limit_of([1.0, 9.0, 2.0]) == 2.0
    assert limit_of([0.0, 0.0]) > 0
