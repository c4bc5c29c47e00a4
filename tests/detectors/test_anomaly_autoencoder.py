"""The autoencoder on phantoms: small and shortly trained, yet the contract holds."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from anomaly_samples import blurred, cohort, peak_of, read, with_hole
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_tensors

from pytest_safegen import UsageProblem
from safegen_detectors.anomaly.methods.autoencoder.method import Autoencoder
from safegen_detectors.anomaly.methods.autoencoder.network import (
    AutoencoderNetwork,
    feature_distances,
    resnet,
)
from safegen_detectors.anomaly.methods.base import Learned, top
from safegen_detectors.anomaly.reference.normalized import NormalizedSample

pytestmark = pytest.mark.slow

COUNT, UNSEEN = 7, 6
SMALL = Autoencoder(channels=(4, 8, 8, 8, 8), latent=8, steps=12)
NAMES = [
    "reconstruction",
    "reconstruction peak",
    "feature distance",
    "feature change",
    "smoothness",
    "smoothness peak",
]


@cache
def learned() -> Learned:
    samples, reference = cohort(COUNT)
    return SMALL.fit(samples[:UNSEEN], reference, seed=0, device="cpu")


def test_a_hole_scores_higher_than_the_same_scan_without() -> None:
    samples, reference = cohort(COUNT)
    faulty, _ = with_hole(samples[UNSEEN])

    clean = read(SMALL, NormalizedSample(samples[UNSEEN], reference), learned()).statistics
    found = read(SMALL, NormalizedSample(faulty, reference), learned()).statistics

    worse = ("reconstruction", "reconstruction peak", "feature distance")
    assert [found[name] > clean[name] for name in worse] == [True] * 3


def test_the_map_is_highest_in_the_hole() -> None:
    samples, reference = cohort(COUNT)
    faulty, hole = with_hole(samples[UNSEEN])

    reading = read(SMALL, NormalizedSample(faulty, reference), learned())

    assert reading.map is not None
    assert reading.map.shape == faulty.own.shape
    assert float(reading.map.min()) >= 0
    assert hole[peak_of(reading.map)]


def test_a_blurred_scan_is_too_smooth() -> None:
    samples, reference = cohort(COUNT)

    clean = read(SMALL, NormalizedSample(samples[UNSEEN], reference), learned()).statistics
    found = read(SMALL, NormalizedSample(blurred(samples[UNSEEN]), reference), learned()).statistics

    assert found["smoothness peak"] > clean["smoothness peak"]


def test_every_sample_has_its_held_out_statistics() -> None:
    assert [list(statistics) for statistics in learned().held_out] == [NAMES] * UNSEEN
    assert all(np.isfinite(v) and v >= 0 for s in learned().held_out for v in s.values())


def test_a_seed_gives_the_same_network_and_leaves_global_randomness_alone() -> None:
    samples, reference = cohort(COUNT)
    before = torch.random.get_rng_state()

    again = SMALL.fit(samples[:UNSEEN], reference, seed=0, device="cpu")

    assert again.held_out == learned().held_out
    assert torch.equal(before, torch.random.get_rng_state())


def test_what_was_learned_survives_a_safetensors_file_and_json(tmp_path: Path) -> None:
    samples, reference = cohort(COUNT)
    save_file(dict(learned().arrays), tmp_path / "learned.safetensors")
    facts = json.loads(json.dumps(learned().facts))
    again = Learned(load_file(tmp_path / "learned.safetensors"), facts)

    first = read(SMALL, NormalizedSample(samples[UNSEEN], reference), learned())
    second = read(Autoencoder(), NormalizedSample(samples[UNSEEN], reference), again)

    assert first.statistics == second.statistics


def test_the_number_of_steps_is_kept() -> None:
    assert [fold["steps"] for fold in learned().facts["folds"]] == [SMALL.steps] * 2


def test_stated_pathology_is_not_judged() -> None:
    samples, reference = cohort(COUNT)
    faulty, hole = with_hole(samples[UNSEEN])
    stated = replace(faulty, pathology=hole)

    judged = read(SMALL, NormalizedSample(faulty, reference), learned()).statistics
    spared = read(SMALL, NormalizedSample(stated, reference), learned()).statistics

    assert spared["reconstruction peak"] < judged["reconstruction peak"]


def test_pickled_weights_are_refused_before_training(tmp_path: Path) -> None:
    samples, reference = cohort(COUNT)
    with pytest.raises(UsageProblem, match=r"\.safetensors"):
        Autoencoder(weights=tmp_path / "w.pth").fit(samples, reference, seed=0, device="cpu")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    samples, reference = cohort(COUNT)
    path = tmp_path / "w.safetensors"
    save_tensors({"x": torch.ones(1)}, path)
    with pytest.raises(UsageProblem, match="ResNet-10"):
        Autoencoder(weights=path).fit(samples, reference, seed=0, device="cpu")


def test_own_weights_give_the_feature_distance(tmp_path: Path) -> None:
    samples, reference = cohort(COUNT)
    path = tmp_path / "w.safetensors"
    save_tensors({f"module.{k}": v for k, v in resnet().state_dict().items()}, path)
    method = Autoencoder(channels=(4, 4, 4, 4, 4), latent=4, steps=1, weights=path)

    found = method.fit(samples[:3], reference, seed=0, device="cpu")

    assert "extractor/conv1.weight" in found.arrays
    reading = read(method, NormalizedSample(samples[UNSEEN], reference), found)
    assert reading.statistics["feature distance"] > 0


def test_nothing_passes_from_encoder_to_decoder_but_the_code() -> None:
    network = AutoencoderNetwork((32, 32, 32), channels=(8,) * 5, latent=4).eval()
    torch.nn.init.zeros_(network.from_code.weight)
    one, other = torch.rand(2, 1, 1, 32, 32, 32)

    torch.testing.assert_close(network(one), network(other))


def test_the_distance_of_a_thing_to_itself_is_zero() -> None:
    features = [torch.rand(1, 4, 6, 6, 6), torch.rand(1, 8, 3, 3, 3)]
    region = torch.ones(6, 6, 6, dtype=torch.bool)

    assert [float(d) for d in feature_distances(features, features, region)] == [0.0, 0.0]


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
