"""What is built when a profile is opened, and what scoring and explaining reuse of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from anomaly_gate import QUICK, REFERENCE, Gate, prepared, profile_of, references, template

from pytest_safegen import Heatmap, Profile, Unexplained
from pytest_safegen.testing import phantom, targets, with_noise_ball
from safegen_detectors.anomaly import AnomalyDetector
from safegen_detectors.anomaly.explain.surrogate import MIN_RANK_CORRELATION
from safegen_detectors.anomaly.methods.segmentation import network
from safegen_detectors.anomaly.methods.segmentation.network import SegmentationNet
from safegen_detectors.anomaly.reference import statistics

pytestmark = pytest.mark.slow

ALL = {
    **QUICK,
    "autoencoder": {"channels": (4, 4, 4, 4, 4), "latent": 4, "steps": 2},
    "diffusion": {"steps": 1, "batch": 1, "draws": 1, "likelihood_levels": (100,)},
}
METHODS = ("atlas", "image-quality", "artefact-segmentation", "autoencoder", "diffusion")


@cache
def explaining() -> Gate:
    detector = AnomalyDetector(
        METHODS,
        ALL,
        explanations=("grad-cam", "shap", "combined"),
        explanation_volumes=20,
        device="cpu",
    )
    fitted = detector.fit(references(range(REFERENCE)), seed=0)
    return Gate(detector, template(), profile_of(fitted), fitted)


def with_fidelity(profile: Profile, rank_correlation: float, **facts: Any) -> Profile:
    """The profile, its surrogate as faithful as said."""
    methods = dict(profile.facts["methods"])
    known = methods["artefact-segmentation"]
    explained = {**known["explained"], "rank_correlation": rank_correlation, **facts}
    methods["artefact-segmentation"] = {**known, "explained": explained}
    return replace(profile, facts={**profile.facts, "methods": methods})


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often networks and statistics are made, by class."""
    counts: Counter[str] = Counter()
    plain, decode = torch.nn.Module.__init__, statistics.statistics_from_arrays

    def counting(self: torch.nn.Module, *args: Any, **options: Any) -> None:
        counts[type(self).__name__] += 1
        plain(self, *args, **options)

    def decoding(*args: Any) -> Any:
        counts["ReferenceStatistics"] += 1
        return decode(*args)

    monkeypatch.setattr(torch.nn.Module, "__init__", counting)
    monkeypatch.setattr(statistics, "statistics_from_arrays", decoding)
    return counts


NETWORKS = ("SegmentationNet", "AutoencoderNetwork", "DiffusionModelUNet", "SurrogateNetwork")


def test_networks_and_statistics_are_built_once_for_two_scans(built: Counter[str]) -> None:
    known = explaining()
    built.clear()
    scorer = known.detector.open(known.profile, device="cpu")
    opened = Counter(built)

    for subject in (50, 51):
        target = prepared(subject)
        (score,) = scorer.score([target])
        scorer.explain(target, score)

    assert {name: opened[name] for name in (*NETWORKS, "ReferenceStatistics")} == {
        "SegmentationNet": 2,
        "AutoencoderNetwork": 2,
        "DiffusionModelUNet": 2,
        "SurrogateNetwork": 1,
        "ReferenceStatistics": 1,
    }
    assert {name: built[name] for name in opened if name in NETWORKS} == {
        name: opened[name] for name in opened if name in NETWORKS
    }
    assert built["ReferenceStatistics"] == 1


@pytest.fixture
def forward_passes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """One entry a forward pass of a U-Net: whether gradients were wanted."""
    passes: list[bool] = []
    plain = SegmentationNet.forward

    def counting(self: SegmentationNet, x: torch.Tensor) -> torch.Tensor:
        passes.append(torch.is_grad_enabled())
        return plain(self, x)

    monkeypatch.setattr(network.SegmentationNet, "forward", counting)
    return passes


def test_explaining_the_scan_scored_last_reads_it_no_second_time(
    forward_passes: list[bool],
) -> None:
    known = explaining()
    scorer = known.detector.open(known.profile, device="cpu")
    target = prepared(50)
    forward_passes.clear()  # those of the fit, where this test is the first to need it
    (score,) = scorer.score([target])
    scored = len(forward_passes)

    scorer.explain(target, score)

    assert scored == 2
    assert forward_passes[scored:] == [True, True]  # Grad-CAM's, one a network


def test_another_scan_than_the_last_is_explained_as_if_it_were(forward_passes: list[bool]) -> None:
    known = explaining()
    first, second = prepared(50), prepared(51)
    alone = known.detector.open(known.profile, device="cpu")
    (score,) = alone.score([first])
    expected = alone.explain(first, score)
    scorer = known.detector.open(known.profile, device="cpu")
    scorer.score([first, second])

    found = scorer.explain(first, score)

    for one, other in zip(expected, found, strict=True):
        assert isinstance(one, Heatmap)
        assert isinstance(other, Heatmap)
        np.testing.assert_array_equal(one.values, other.values)


def test_scans_are_explained_without_having_been_scored() -> None:
    known = explaining()
    target = prepared(50)
    scorer = known.detector.open(known.profile, device="cpu")

    made = scorer.explain(target, known.score(phantom(50)))

    assert [layer.name for layer in made] == ["grad-cam", "shap", "combined"]


# fidelity of the surrogate


@cache
def layers_at(rank_correlation: float, **facts: Any) -> dict[str, Heatmap | Unexplained]:
    known = explaining()
    profile = with_fidelity(known.profile, rank_correlation)
    names = ("grad-cam", "shap", "deep-shap", "partition-shap", "combined")
    detector = replace(known.detector, explanations=names)
    corrupted, _ = with_noise_ball(phantom(50), radius=16.0)
    target = targets([corrupted], template())[0]
    scorer = detector.open(profile, device="cpu")
    (score,) = scorer.score([target])
    return {layer.name: layer for layer in scorer.explain(target, score)}


@pytest.mark.parametrize("name", ["shap", "deep-shap", "partition-shap"])
def test_a_surrogate_below_the_minimum_is_not_shown_and_says_how_bad_it_is(name: str) -> None:
    made = layers_at(MIN_RANK_CORRELATION - 0.28)[name]

    assert isinstance(made, Unexplained)
    assert "rank correlation 0.42" in made.reason
    assert "at least 0.70" in made.reason


def test_a_surrogate_at_the_minimum_is_shown() -> None:
    assert isinstance(layers_at(MIN_RANK_CORRELATION)["shap"], Heatmap)


def test_a_surrogate_of_undefined_fidelity_is_not_shown() -> None:
    assert isinstance(layers_at(float("nan"))["shap"], Unexplained)


def test_a_surrogate_below_the_minimum_is_not_fused() -> None:
    known = explaining()
    weights_known = known.profile.facts["methods"]["artefact-segmentation"]["explained"]["weights"]
    poor, good = layers_at(0.1)["combined"], layers_at(1.0)["combined"]

    assert weights_known["a3"] > 0
    assert isinstance(poor, Heatmap)
    assert isinstance(good, Heatmap)
    shap = layers_at(1.0)["shap"]
    assert isinstance(shap, Heatmap)
    share = weights_known["a3"] / weights_known["voxel_limit"]
    np.testing.assert_allclose(good.values - poor.values, share * shap.values, atol=1e-4)
