"""The options of the anomaly check in a settings file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import safegen_detectors
from pytest_safegen import Detector, UsageProblem
from pytest_safegen.config.settings import Settings
from safegen_detectors.anomaly import AnomalyDetector

pytestmark = pytest.mark.slow


def anomaly(**given: Any) -> Detector:
    settings = Settings(root=Path(), detectors={"anomaly": given})
    return safegen_detectors.safegen_detectors(settings)[0]


def test_without_options_the_defaults_hold() -> None:
    assert anomaly() == AnomalyDetector()


def test_methods_and_their_options_are_handed_on() -> None:
    found = anomaly(
        methods=["artefact-segmentation"],
        explanation_volumes=0,
        **{"artefact-segmentation": {"steps": 7}},
    )

    assert found == AnomalyDetector(
        methods=("artefact-segmentation",),
        options={"artefact-segmentation": {"steps": 7}},
        explanation_volumes=0,
    )


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"explanation_volumes": -1}, "-1"),
        ({"explanation_volumes": "many"}, "many"),
        ({"explanations": ["dreams"]}, "dreams"),
        ({"methods": ["magic"]}, "magic"),
        ({"methods": []}, "empty"),
        ({"methods": ["atlas", "atlas"]}, "repeats"),
        ({"methods": "atlas"}, "list of names"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_it_does_not_know_is_refused(given: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageProblem, match=named):
        anomaly(**given)
