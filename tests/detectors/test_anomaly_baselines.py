"""The baselines of the benchmark keep the contract of methods and see a large hole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from anomaly_samples import cohort, peak_of, read, with_hole

from benchmarks.baselines import Histogram, ZScore, anomalib_models, dae, dia, fpi, phanes, thor
from benchmarks.baselines.common import NetworkBaseline, box_mask
from safegen_detectors.anomaly.methods.base import Method, top
from safegen_detectors.anomaly.methods.training import to_device
from safegen_detectors.anomaly.reference.normalized import NormalizedSample

pytestmark = pytest.mark.slow

COUNT, UNSEEN = 7, 6
NETWORKS = [dae, dia, fpi, phanes, thor]
PLAIN = [ZScore(), Histogram(bins=16)]


def short(make: Callable[..., NetworkBaseline]) -> Method:
    return replace(make(steps=2, batch=1), spacing=8.0)


METHODS: list[Method] = [*PLAIN, *map(short, NETWORKS)]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_baseline_keeps_the_contract(method: Method) -> None:
    samples, reference = cohort(COUNT)

    learned = method.fit(samples[:4], reference, seed=0, device="cpu")
    first = read(method, NormalizedSample(samples[UNSEEN], reference), learned)
    again = read(method, NormalizedSample(samples[UNSEEN], reference), learned)

    assert first.statistics == again.statistics
    assert [set(held_out) for held_out in learned.held_out] == [set(first.statistics)] * 4
    assert all(np.isfinite(value) and value >= 0 for value in first.statistics.values())
    if first.map is not None:
        assert first.map.shape == samples[UNSEEN].own.shape
        assert bool(torch.isfinite(first.map).all())


@pytest.mark.parametrize("method", PLAIN, ids=lambda method: method.name)
def test_a_hole_scores_higher_than_the_same_scan_without(method: Method) -> None:
    samples, reference = cohort(COUNT)
    learned = method.fit(samples[:UNSEEN], reference, seed=0, device="cpu")
    faulty, _ = with_hole(samples[UNSEEN])

    clean = read(method, NormalizedSample(samples[UNSEEN], reference), learned).statistics
    found = read(method, NormalizedSample(faulty, reference), learned).statistics

    assert all(found[name] > clean[name] for name in clean)


def test_the_z_score_is_highest_in_the_hole() -> None:
    samples, reference = cohort(COUNT)
    learned = ZScore().fit(samples[:UNSEEN], reference, seed=0, device="cpu")
    faulty, hole = with_hole(samples[UNSEEN])

    reading = read(ZScore(), NormalizedSample(faulty, reference), learned)

    assert reading.map is not None
    assert hole[peak_of(reading.map)]


def test_a_z_score_is_held_out_as_if_the_sample_had_never_been_there() -> None:
    samples, reference = cohort(COUNT)

    held_out = ZScore().fit(samples, reference, seed=0, device="cpu").held_out[0]
    never = ZScore().fit(samples[1:], reference, seed=0, device="cpu")

    found = read(ZScore(), NormalizedSample(samples[0], reference), never).statistics
    assert held_out == pytest.approx(found, rel=1e-2)


def test_the_limit_of_the_z_score_is_the_median_top_of_samples_never_seen() -> None:
    samples, reference = cohort(COUNT)
    tops = []
    for n, sample in enumerate(samples):
        never = ZScore().fit([*samples[:n], *samples[n + 1 :]], reference, seed=0, device="cpu")
        normalized = NormalizedSample(sample, reference)
        found = read(ZScore(), normalized, never).map
        assert found is not None
        tops.append(top(found, normalized.judged) * never.facts["limit"])

    learned = ZScore().fit(samples, reference, seed=0, device="cpu")

    assert learned.facts["limit"] == pytest.approx(np.median(tops), rel=0.05)


def test_patches_have_sides_of_the_asked_shares() -> None:
    random = torch.Generator().manual_seed(0)

    shares = [
        float(box_mask((40, 40, 40), random, narrow=0.1, wide=0.4).float().mean())
        for _ in range(20)
    ]

    assert min(shares) > 0
    assert max(shares) <= 0.4**3 * 1.2


def test_slices_stacked_in_bands_come_apart_again() -> None:
    slices = torch.rand(8, 3, 5, 4)

    stacked = anomalib_models.stacked(slices)

    assert torch.equal(stacked[1, :, 5:10], slices[3])
    assert torch.equal(anomalib_models.unstacked(stacked, 8), slices)


def test_a_map_of_thick_slices_lies_where_the_volume_is() -> None:
    volume = torch.zeros(1, 1, 4, 4, 8)
    volume[0, 0, 1, 2, 4:6] = 1.0

    slices = anomalib_models.slices_of(volume)
    back = anomalib_models.volume_of(slices[:, :1], volume)

    assert torch.equal(slices[2, :, 1, 2], torch.ones(3))
    assert back[1, 2].tolist() == [0, 0, 0, 0.25, 0.75, 0.75, 0.25, 0]
    assert float(back.sum()) == 2.0


def test_a_network_of_slices_can_be_placed() -> None:
    network = torch.nn.Conv2d(1, 1, 3)

    assert to_device(network, "cpu") is network
