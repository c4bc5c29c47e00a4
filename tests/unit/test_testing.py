"""Phantoms are what they say they are, and check_detector finds what breaks the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_in import StandIn

from pytest_safegen import testing
from pytest_safegen.core.score import Fitted, Heatmap, Measure, Profile, Score, Unexplained
from pytest_safegen.core.targets import ScanTarget, Scope
from pytest_safegen.data.discover import discover
from pytest_safegen.prepare.resample import correlation
from pytest_safegen.prepare.template import Template
from pytest_safegen.readers import read_scan
from pytest_safegen.testing import (
    check_detector,
    phantom,
    targets,
    template_of,
    with_gap,
    with_noise_ball,
    write_cohort,
)
from safegen_detectors.anomaly import AnomalyDetector
from safegen_detectors.integrity import IntegrityDetector
from safegen_detectors.memorization import MemorizationDetector

pytestmark = pytest.mark.slow

FEW = 4


def same(a: Any, b: Any) -> float:
    return correlation(a.voxels, b.voxels, where=(a.voxels > 0) & (b.voxels > 0))


def test_a_subject_is_the_same_each_time() -> None:
    np.testing.assert_array_equal(phantom(3).voxels, phantom(3).voxels)


def test_a_subject_has_new_noise_in_each_session() -> None:
    assert (phantom(3).voxels != phantom(3, session=1).voxels).any()


def test_a_subject_is_more_like_itself_than_like_another() -> None:
    assert same(phantom(3), phantom(3, session=1)) > 0.9 > same(phantom(3), phantom(4))


def test_subjects_have_something_in_common() -> None:
    assert same(phantom(3), phantom(4)) > 0.2


def test_a_noise_ball_has_its_radius() -> None:
    _, ball = with_noise_ball(phantom(1), radius=20)
    assert ball.sum() * testing.SPACING**3 == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.08)


def test_a_noise_ball_changes_nothing_outside() -> None:
    scan, ball = with_noise_ball(phantom(1), radius=20)
    np.testing.assert_array_equal(scan.voxels[~ball], phantom(1).voxels[~ball])


def test_a_noise_ball_is_noise() -> None:
    scan, ball = with_noise_ball(phantom(1), radius=20)
    assert scan.voxels[ball].std() > 3 * phantom(1).voxels[ball].std()


def test_a_gap_is_empty() -> None:
    scan, ball = with_gap(phantom(1), radius=20)
    assert (scan.voxels[ball] == 0).all()


def test_a_gap_changes_nothing_outside() -> None:
    scan, ball = with_gap(phantom(1), radius=20)
    np.testing.assert_array_equal(scan.voxels[~ball], phantom(1).voxels[~ball])


def test_a_cohort_is_found_by_discovery(tmp_path: Path) -> None:
    release = discover(write_cohort(tmp_path, range(3)))
    assert [ref.target for ref in release.refs] == [phantom(n).ref.target for n in range(3)]


def test_a_written_phantom_is_read_as_it_was(tmp_path: Path) -> None:
    (ref,) = discover(write_cohort(tmp_path, [3])).refs
    np.testing.assert_array_equal(read_scan(ref).voxels, phantom(3).voxels)


def test_targets_without_a_template_are_not_prepared() -> None:
    assert targets([phantom(1)])[0].prepared is None


@pytest.fixture(scope="module")
def template() -> Template:
    return template_of([phantom(n) for n in range(FEW)])


def test_targets_with_a_template_lie_on_its_grid(template: Template) -> None:
    (target,) = targets([phantom(9)], template)
    assert target.prepared is not None
    assert target.prepared.voxels.shape == template.voxels.shape


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, template: Template) -> None:
    """One template for all checks of a detector."""
    monkeypatch.setattr(testing, "template_of", lambda _: template)


@pytest.mark.usefixtures("quick")
def quick_anomaly() -> AnomalyDetector:
    """The check without its network, which takes minutes to learn."""
    return AnomalyDetector(("atlas", "image-quality"), explanations=())


@pytest.mark.parametrize("made", [quick_anomaly, IntegrityDetector, MemorizationDetector])
def test_built_in_scan_detectors_keep_the_contract(made: Callable[[], Any]) -> None:
    check_detector(made(), subjects=FEW)


def heated(change: Callable[[Any], Any]) -> Callable[[ScanTarget], Score]:
    """Measures the mean, with the scan itself, changed, as heatmap."""

    def measure(target: ScanTarget) -> Score:
        assert target.scan is not None
        values = change(np.array(target.scan.voxels))
        heatmap = Heatmap(values, target.scan.affine, "values")
        return Score(float(target.scan.voxels.mean()), heatmap=heatmap)

    return measure


def scoring(value: Any) -> Callable[[ScanTarget], Score]:
    return lambda _: Score(value)


def drifting() -> Callable[[ScanTarget], Score]:
    times = count()
    return lambda _: Score(float(next(times)))


@pytest.mark.usefixtures("quick")
def test_a_detector_that_keeps_the_contract_is_accepted() -> None:
    check_detector(StandIn(measure=heated(lambda values: values)), subjects=1)


@pytest.mark.usefixtures("quick")
def test_a_detector_may_have_measures_only() -> None:
    detector = StandIn(measure=lambda _: Score(None, (Measure("size", 1.0),)))
    check_detector(detector, subjects=1)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("detector", "rule"),
    [
        (StandIn(scope=Scope.SERIES), "single scans"),
        (StandIn(measure=scoring(None)), "a value or measures"),
        (StandIn(measure=scoring(float("nan"))), "finite"),
        (StandIn(measure=lambda _: Score(1.0, (Measure("a", float("inf")),))), "finite"),
        (StandIn(measure=drifting()), "same score twice"),
        (StandIn(measure=heated(lambda values: values[1:])), "own grid"),
        (StandIn(measure=heated(lambda values: values / 0 * 0)), "must be finite"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_detector_that_breaks_the_contract_is_refused(detector: StandIn, rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_detector(detector, subjects=1)


@dataclass(frozen=True)
class Explaining(StandIn):
    names: tuple[str, ...] = ("grad-cam",)
    cut: int = 0

    def explain(
        self, target: ScanTarget, profile: Profile | None, score: Score, *, device: str
    ) -> list[Heatmap | Unexplained]:
        del profile, score, device
        assert target.scan is not None
        values = target.scan.voxels[self.cut :]
        layers = [Heatmap(values, target.scan.affine, "why", name=name) for name in self.names]
        return [*layers, Unexplained("shap", "it is not there")]


@pytest.mark.usefixtures("quick")
def test_a_detector_may_explain_itself() -> None:
    check_detector(Explaining(), subjects=1)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("detector", "rule"),
    [
        (Explaining(names=("",)), "lower-case name"),
        (Explaining(names=("Grad CAM",)), "lower-case name"),
        (Explaining(names=("shap",)), "name of its own"),
        (Explaining(cut=1), "own grid"),
    ],
)
def test_an_explanation_that_breaks_the_contract_is_refused(detector: StandIn, rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_detector(detector, subjects=1)


@dataclass(frozen=True)
class Miscounting(StandIn):
    extra: int = 0

    def score(
        self, targets: Sequence[Any], profile: Profile | None, *, device: str
    ) -> Sequence[Score]:
        scores = [Score(1.0)] * (len(targets) + self.extra)
        return scores if profile and device else []


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("extra", [-1, 1])
def test_a_detector_with_a_wrong_number_of_scores_is_refused(extra: int) -> None:
    with pytest.raises(AssertionError, match="one score per target"):
        check_detector(Miscounting(extra=extra), subjects=1)


@pytest.mark.usefixtures("quick")
def test_what_a_detector_learned_from_reaches_it_as_in_a_fit() -> None:
    seen: list[ScanTarget] = []

    @dataclass(frozen=True)
    class Looking(StandIn):
        def fit(self, reference: Iterable[ScanTarget], *, seed: int) -> Fitted:
            seen.extend(reference)
            return StandIn.fit(replace(self), reference, seed=seed)

    check_detector(Looking(), subjects=2)
    assert [(t.scan is None, t.prepared is None, bool(t.facts)) for t in seen] == [
        (True, False, True)
    ] * 2
