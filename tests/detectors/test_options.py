"""The options of the checks in a settings file, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import safegen_detectors
from pytest_safegen import Detector, UsageProblem
from pytest_safegen.config.settings import Settings
from safegen_detectors.cohort import MetadataDetector
from safegen_detectors.memorization import MemorizationDetector


def detectors(root: Path = Path(), **options: dict[str, Any]) -> dict[str, Detector]:
    settings = Settings(root=root, detectors=options)
    return {one.name: one for one in safegen_detectors.safegen_detectors(settings)}


def test_there_are_five_checks() -> None:
    assert set(detectors()) == {
        "anomaly",
        "integrity",
        "longitudinal",
        "memorization",
        "metadata",
    }


def test_a_salt_is_handed_on() -> None:
    found = detectors(memorization={"salt": "secret"})["memorization"]
    assert found == MemorizationDetector(salt="secret")


def test_a_suite_is_relative_to_the_project(tmp_path: Path) -> None:
    found = detectors(tmp_path, metadata={"suite": "suite.json"})["metadata"]
    assert found == MetadataDetector(suite=tmp_path / "suite.json")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"longitudinal": {"deformation": "x"}},
            "Invalid longitudinal.deformation='x': expected one of auto, always, never.",
        ),
        ({"memorization": {"salt": 5}}, "Invalid memorization.salt=5: expected text."),
        ({"metadata": {"suite": 5}}, "Invalid metadata.suite=5: expected the path of a JSON file."),
        (
            {"anomaly": {"explanation_volumes": -1}},
            "Invalid anomaly.explanation_volumes=-1: expected an integer ≥ 0.",
        ),
        ({"anomaly": {"methods": 5}}, "Invalid anomaly.methods=5: expected a list of names."),
        (
            {"memorization": {"size": 1}},
            "Unknown option memorization.size: expected one of salt.",
        ),
        ({"integrity": {"size": 1}}, "Unknown option integrity.size: expected none."),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageProblem) as refused:
        detectors(**options)
    assert str(refused.value) == text
