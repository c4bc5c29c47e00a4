"""Explanations are asked for where they are wanted, kept as files, and never change a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_in import StandIn, profile_of, ref_of, scan_of

from pytest_safegen.config.hookspecs import Explains
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.errors import NotJudged
from pytest_safegen.core.finding import Finding, Verdict
from pytest_safegen.core.score import Heatmap, Score, Unexplained
from pytest_safegen.core.targets import ScanTarget
from pytest_safegen.judging.heatmaps import load_heatmap, with_explanations

REASON = "Too bright."
LAYER = Heatmap(np.ones((2, 3, 4), np.float32), np.eye(4), "what the score looks at", name="shap")
TARGET = ScanTarget(ref_of("sub-01"), scan_of(np.ones((2, 3, 4))))
PROFILE = profile_of()
Maps = Callable[[], Iterable[Any]]


@dataclass(frozen=True)
class Explaining(StandIn):
    """A detector whose explanations are what `maps` gives."""

    maps: Maps = lambda: [LAYER]
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def explain(self, target: Any, profile: Any, score: Score, *, device: str) -> list[Any]:
        self.asked.append((target, profile, score, device))
        return list(self.maps())


def shown(
    folder: Path, maps: Maps, *, verdict: Verdict = Verdict.FAIL, which: str = "failed"
) -> Finding:
    finding = Finding("anomaly", "sub-01/a.nii.gz", verdict, REASON)
    return explain(folder, Explaining(maps=maps), finding, which)


def explain(folder: Path, detector: StandIn, finding: Finding, which: str = "failed") -> Finding:
    settings = Settings(folder, report=folder, explain=which)
    return with_explanations(
        finding, detector.open(PROFILE, device="cpu"), TARGET, Score(3.0), settings=settings
    )


def raising(problem: Exception) -> Maps:
    def maps() -> Iterable[Any]:
        raise problem

    return maps


def test_a_detector_with_explain_explains() -> None:
    assert isinstance(Explaining().open(None, device="cpu"), Explains)
    assert not isinstance(StandIn().open(None, device="cpu"), Explains)


@pytest.mark.parametrize(
    ("which", "verdict", "kept"),
    [
        ("failed", Verdict.FAIL, True),
        ("failed", Verdict.WARN, True),
        ("failed", Verdict.PASS, False),
        ("failed", Verdict.INCONCLUSIVE, False),
        ("all", Verdict.PASS, True),
        ("none", Verdict.FAIL, False),
    ],
)
def test_explanations_are_asked_for_as_wanted(
    tmp_path: Path, which: str, verdict: Verdict, kept: bool
) -> None:
    finding = shown(tmp_path, lambda: [LAYER], verdict=verdict, which=which)
    assert ("shap" in finding.layers) == kept


def test_the_detector_is_told_what_was_judged(tmp_path: Path) -> None:
    detector = Explaining()
    explain(tmp_path, detector, Finding("anomaly", "", Verdict.FAIL, REASON))
    assert detector.asked == [(TARGET, PROFILE, Score(3.0), "cpu")]


def test_a_detector_that_explains_nothing_leaves_the_finding_as_it_is(tmp_path: Path) -> None:
    finding = Finding("anomaly", "", Verdict.FAIL, REASON)
    assert explain(tmp_path, StandIn(), finding) is finding


def test_a_layer_lies_in_the_report_folder(tmp_path: Path) -> None:
    finding = shown(tmp_path, lambda: [LAYER])
    assert load_heatmap(tmp_path / finding.layers["shap"]).meaning == LAYER.meaning


def test_layers_keep_the_order_in_which_they_come(tmp_path: Path) -> None:
    finding = shown(tmp_path, lambda: [LAYER, replace(LAYER, name="grad-cam")])
    assert list(finding.layers) == ["shap", "grad-cam"]


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (ValueError("two\nlines"), "ValueError: two"),
        (NotJudged("it is too small."), "it is too small"),
        (MemoryError(), "MemoryError: "),
    ],
)
def test_explanations_that_crash_are_a_note(tmp_path: Path, problem: Exception, why: str) -> None:
    finding = shown(tmp_path, raising(problem))
    assert finding.verdict is Verdict.FAIL
    assert finding.reason == f"{REASON} The explanations could not be made: {why}."


def test_one_that_cannot_be_made_is_a_note_and_the_others_are_kept(tmp_path: Path) -> None:
    finding = shown(tmp_path, lambda: [Unexplained("grad-cam", "no such layer."), LAYER])
    note = "The explanation grad-cam could not be made: no such layer."
    assert (finding.reason, list(finding.layers)) == (f"{REASON} {note}", ["shap"])


@pytest.mark.parametrize(
    "layer",
    [
        replace(LAYER, name=""),
        replace(LAYER, name="Grad CAM"),
        replace(LAYER, name="../up"),
        replace(LAYER, name="x" * 41),
        replace(LAYER, values=np.zeros((2,) * 9)),
        replace(LAYER, affine=np.eye(3)),
        3.0,
        None,
    ],
)
def test_what_is_no_map_is_a_note_and_never_a_file(tmp_path: Path, layer: Any) -> None:
    finding = shown(tmp_path, lambda: [layer])
    assert (finding.verdict, finding.layers) == (Verdict.FAIL, {})
    assert "could not be made: " in finding.reason
    files = [path.name for path in tmp_path.rglob("*.nii.gz")]
    assert [name for name in files if not name.startswith("partial-")] == []


def test_two_maps_of_one_name_are_a_note(tmp_path: Path) -> None:
    finding = shown(tmp_path, lambda: [LAYER, LAYER])
    assert "The explanation shap could not be made" in finding.reason
    assert list(finding.layers) == ["shap"]
