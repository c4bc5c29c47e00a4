"""The diffusion model on phantoms: small and shortly trained, yet the contract holds."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from anomaly_samples import cohort, peak_of, read, with_hole
from safetensors.numpy import load_file, save_file
from torch import nn

from pytest_safegen import UsageProblem
from safegen_detectors.anomaly.methods.base import Learned, top
from safegen_detectors.anomaly.methods.diffusion.method import Diffusion
from safegen_detectors.anomaly.methods.diffusion.network import (
    NOISE_LEVELS,
    SIZES,
    Size,
    add_noise,
    noise_levels_down,
    partially_denoised,
    pooling_factor,
    signal_variance,
    size_for,
    velocity,
)
from safegen_detectors.anomaly.reference.normalized import NormalizedSample

pytestmark = pytest.mark.slow

COUNT, UNSEEN = 7, 6
TINY = Size(8.0, (8, 16), blocks=1, groups=4, steps=10, batch=1)
SMALL = Diffusion(size=TINY, restore_steps=2, likelihood_levels=(100, 400))
NAMES = ["denoising", "denoising peak", "likelihood", "likelihood change", "smoothness"]


@cache
def learned() -> Learned:
    samples, reference = cohort(COUNT)
    return SMALL.fit(samples[:UNSEEN], reference, seed=0, device="cpu")


class Seer(nn.Module):
    """Knows the scan, and so tells the noise without fault."""

    def __init__(self, truth: torch.Tensor) -> None:
        super().__init__()
        self.truth = truth

    def forward(self, x: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        share = signal_variance("cpu")[levels]
        root = share.reshape(-1, 1, 1, 1, 1)
        noise = (x - root.sqrt() * self.truth) / (1 - root).sqrt()
        return velocity(self.truth.expand_as(x), noise, share)


def test_a_hole_scores_higher_than_the_same_scan_without() -> None:
    samples, reference = cohort(COUNT)
    faulty, _ = with_hole(samples[UNSEEN])

    clean = read(SMALL, NormalizedSample(samples[UNSEEN], reference), learned()).statistics
    found = read(SMALL, NormalizedSample(faulty, reference), learned()).statistics

    worse = ("denoising", "denoising peak", "likelihood")
    assert [found[name] > clean[name] for name in worse] == [True] * 3


def test_the_map_is_highest_in_the_hole() -> None:
    samples, reference = cohort(COUNT)
    faulty, hole = with_hole(samples[UNSEEN])

    reading = read(SMALL, NormalizedSample(faulty, reference), learned())

    assert reading.map is not None
    assert reading.map.shape == faulty.own.shape
    assert float(reading.map.min()) >= 0
    assert hole[peak_of(reading.map)]


def test_the_way_back_from_noise_is_hardest_in_the_hole() -> None:
    samples, reference = cohort(COUNT)
    faulty, hole = with_hole(samples[UNSEEN])

    before, after = (
        SMALL.open(learned(), reference, device="cpu").denoising_path(sample)
        for sample in (samples[UNSEEN], faulty)
    )

    assert after.shape == faulty.own.shape
    harder = (after - before).numpy()
    assert harder[hole].mean() > 5 * abs(harder[~hole].mean())


def test_every_sample_has_its_held_out_statistics() -> None:
    assert [list(statistics) for statistics in learned().held_out] == [NAMES] * UNSEEN
    assert all(np.isfinite(v) and v >= 0 for s in learned().held_out for v in s.values())


def test_a_seed_gives_the_same_network_and_leaves_global_randomness_alone() -> None:
    samples, reference = cohort(COUNT)
    before = torch.random.get_rng_state()

    again = SMALL.fit(samples[:UNSEEN], reference, seed=0, device="cpu")

    assert again.held_out == learned().held_out
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_scan_scores_the_same_whatever_was_read_before_it() -> None:
    samples, reference = cohort(COUNT)
    faulty, _ = with_hole(samples[UNSEEN])

    alone = read(SMALL, NormalizedSample(faulty, reference), learned())
    read(SMALL, NormalizedSample(samples[UNSEEN], reference), learned())
    after = read(SMALL, NormalizedSample(faulty, reference), learned())

    assert alone.statistics == after.statistics


def test_what_was_learned_survives_a_safetensors_file_and_json(tmp_path: Path) -> None:
    samples, reference = cohort(COUNT)
    save_file(dict(learned().arrays), tmp_path / "learned.safetensors")
    facts = json.loads(json.dumps(learned().facts))
    again = Learned(load_file(tmp_path / "learned.safetensors"), facts)

    first = read(SMALL, NormalizedSample(samples[UNSEEN], reference), learned())
    second = read(Diffusion(), NormalizedSample(samples[UNSEEN], reference), again)

    assert first.statistics == second.statistics


def test_a_finer_grid_is_averaged_to_the_grid_of_the_network() -> None:
    sample = cohort(COUNT)[0][0]
    widths = [
        pooling_factor(SIZES["small"], replace(sample, spacing=mm)) for mm in (1.0, 2.0, 4.0, 8.0)
    ]

    assert widths == [4, 2, 1, 1]


@pytest.mark.parametrize(("device", "size"), [("cpu", "small"), ("cuda:0", "large")])
def test_the_size_follows_the_device(device: str, size: str) -> None:
    assert size_for("auto", device) == SIZES[size]
    assert size_for("small", device) == SIZES["small"]


def test_an_unknown_size_is_refused() -> None:
    with pytest.raises(UsageProblem, match="auto, small or large, not 'huge'"):
        size_for("huge", "cpu")  # type: ignore[arg-type]


def test_levels_fall_from_the_start_and_leave_zero_out() -> None:
    assert noise_levels_down(250, 5) == [250, 200, 150, 100, 50]


def test_a_network_that_knows_the_noise_restores_the_scan() -> None:
    truth, noise = torch.rand(2, 1, 4, 4, 4)

    again = partially_denoised(
        Seer(truth[None]), truth[None], noise[None], noise_levels_down(400, 4)
    )

    torch.testing.assert_close(again, truth[None], atol=1e-4, rtol=1e-4)


def test_noise_and_velocity_give_back_the_scan() -> None:
    x, noise = torch.rand(2, 3, 1, 4, 4, 4)
    share = signal_variance("cpu")[torch.tensor([0, 300, 999])]
    root = share.reshape(-1, 1, 1, 1, 1)

    seen, spoken = add_noise(x, noise, share), velocity(x, noise, share)

    torch.testing.assert_close(root.sqrt() * seen - (1 - root).sqrt() * spoken, x)


def test_noise_grows_with_the_level() -> None:
    shares = signal_variance("cpu")

    assert len(shares) == NOISE_LEVELS
    assert bool((shares.diff() < 0).all())
    assert 0 < float(shares[-1]) < 1e-3


def test_the_map_of_a_real_scan_reaches_about_the_limit_and_a_hole_more() -> None:
    samples, reference = cohort(COUNT)
    faulty, _ = with_hole(samples[UNSEEN])

    views = [NormalizedSample(sample, reference) for sample in (samples[UNSEEN], faulty)]
    clean, found = (read(SMALL, normalized, learned()).map for normalized in views)

    assert clean is not None
    assert found is not None
    assert 0.5 < top(clean, views[0].judged) < 1.5 * top(found, views[1].judged)
    assert top(clean, views[0].judged) < 2


def test_the_limit_is_the_median_top_of_all_folds() -> None:
    tops = [top for fold in learned().facts["folds"] for top in fold["tops"]]

    assert len(tops) == UNSEEN
    assert learned().facts["limit"] == float(np.median(tops))
