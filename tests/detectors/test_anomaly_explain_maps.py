"""The maps that show why a scan scored so, on phantoms."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from anomaly_gate import QUICK, REFERENCE, Gate, profile_of, references, template

from pytest_safegen import Heatmap, Scan, Unexplained
from pytest_safegen.testing import phantom, with_noise_ball
from safegen_detectors.anomaly import AnomalyDetector
from safegen_detectors.anomaly.options import EXPLANATION_LEGENDS

pytestmark = pytest.mark.slow

CHEAP = tuple(name for name in EXPLANATION_LEGENDS if name not in ("occlusion", "denoising-path"))


@cache
def explaining() -> Gate:
    detector = AnomalyDetector(
        options=QUICK, explanations=CHEAP, explanation_volumes=20, device="cpu"
    )
    fitted = detector.fit(references(range(REFERENCE)), seed=0)
    return Gate(detector, template(), profile_of(fitted), fitted)


def layers(scan: Scan, *names: str) -> dict[str, Heatmap | Unexplained]:
    gate = explaining()
    detector = replace(gate.detector, explanations=names) if names else gate.detector
    target, score = gate.target(scan), gate.score(scan)
    made = detector.open(gate.profile, device="cpu").explain(target, score)
    return {layer.name: layer for layer in made}


@pytest.fixture(scope="module")
def faulty() -> Scan:
    return with_noise_ball(phantom(50), radius=16.0)[0]


def test_every_explanation_is_a_map_on_the_grid_of_the_scan(faulty: Scan) -> None:
    made = layers(faulty)

    assert sorted(made) == sorted(CHEAP)
    for layer in made.values():
        assert isinstance(layer, Heatmap), layer
        assert layer.values.shape == faulty.voxels.shape
        assert np.isfinite(layer.values).all()
        assert layer.values.min() >= 0
        assert layer.meaning


def test_the_same_scan_is_explained_the_same_way_twice(faulty: Scan) -> None:
    first, again = (layers(faulty, "grad-cam", "shap", "combined") for _ in range(2))

    for name, layer in first.items():
        other = again[name]
        assert isinstance(layer, Heatmap)
        assert isinstance(other, Heatmap)
        assert np.array_equal(layer.values, other.values)


@pytest.mark.parametrize("name", ["gradients", "integrated-gradients", "occlusion"])
def test_only_what_is_asked_for_is_made(faulty: Scan, name: str) -> None:
    assert list(layers(faulty, name)) == [name]


def test_without_a_diffusion_model_there_is_no_path_to_show(faulty: Scan) -> None:
    made = layers(faulty, "denoising-path")

    assert made["denoising-path"] == Unexplained(
        "denoising-path", "the profile has no diffusion model"
    )


def test_the_weights_of_the_combined_map_add_up_to_one() -> None:
    facts = explaining().profile.facts["methods"]["artefact-segmentation"]["explained"]

    weights = facts["weights"]
    assert weights["a1"] + weights["a2"] + weights["a3"] == pytest.approx(1.0)
    assert weights["voxel_limit"] > 0
    assert -1 <= facts["rank_correlation"] <= 1


def test_without_the_network_there_is_nothing_to_explain(faulty: Scan) -> None:
    gate = explaining()
    detector = AnomalyDetector(methods=("image-quality",))

    made = detector.open(gate.profile, device="cpu").explain(
        gate.target(faulty), gate.score(faulty)
    )

    assert made == []
