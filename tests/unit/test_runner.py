"""Every target gets its finding, whatever its file or the detector does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from stand_in import StandIn, StubReader, giving, mean_of, profile_of, raising, ref_of, set_of

from pytest_safegen.core.errors import NotJudged, ReadError, UsageProblem
from pytest_safegen.core.finding import Finding, MeasureLimits, Verdict
from pytest_safegen.core.scan import ScanRef, Series
from pytest_safegen.core.score import Heatmap, Measure, Rule, Score
from pytest_safegen.core.targets import ReleaseTarget, Scope, SeriesTarget
from pytest_safegen.judging.calibration import limit_at
from pytest_safegen.judging.runner import Runner
from pytest_safegen.profiles.model import ProfileSet

REFS = [ref_of(f"sub-{n:02d}") for n in range(40)]
NEEDY = {"needs_profile": True, "rules": {"score": Rule(fail_above=10.0)}}
Maker = Callable[..., Runner]


def found(make: Maker, detector: StandIn, *, ref: ScanRef = REFS[1], **asked: Any) -> Finding:
    return make(detector, **asked).scan(detector.name, ref)


@pytest.mark.parametrize(("ref", "expected"), [(REFS[1], Verdict.PASS), (REFS[20], Verdict.FAIL)])
def test_a_scan_is_judged_by_the_rule(made: Maker, ref: ScanRef, expected: Verdict) -> None:
    assert found(made, StandIn(), ref=ref).verdict is expected


def test_the_finding_names_check_and_target(made: Maker) -> None:
    finding = found(made, StandIn())
    assert (finding.check, finding.target) == ("stand-in", "sub-01/sub-01.nii.gz")


@pytest.mark.parametrize(
    "score",
    [
        None,
        3.0,
        Score("high"),  # type: ignore[arg-type]
        Score(1.0, (Measure("size", None),)),  # type: ignore[arg-type]
        Score(1.0, (3,)),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_score_is_an_error(made: Maker, score: Any) -> None:
    finding = found(made, StandIn(measure=giving(score)))
    assert finding.verdict is Verdict.ERROR
    assert "defect of the check" in finding.reason


def test_a_heatmap_that_cannot_be_written_is_an_error(made: Maker) -> None:
    heatmap = Heatmap(np.zeros((2,) * 9, np.float32), np.eye(3), "")
    detector = StandIn(measure=giving(Score(20.0, heatmap=heatmap)))
    finding = found(made, detector)
    assert finding.verdict is Verdict.ERROR
    assert "defect of the check" in finding.reason


@pytest.mark.parametrize("count", [0, 2])
def test_a_wrong_number_of_scores_is_an_error(made: Maker, count: int) -> None:
    class Miscounting(StandIn):
        def score(self, targets: Any, profile: Any, *, device: str) -> Sequence[Score]:
            del targets, profile, device
            return [Score(1.0)] * count

    finding = found(made, Miscounting())
    assert finding.verdict is Verdict.ERROR
    assert "ValueError" in finding.reason


def test_a_detector_that_judges_unreadable_scans_gets_them(made: Maker, reader: StubReader) -> None:
    class Strict(StandIn):
        judges_unreadable = True

    reader.broken["sub-01"] = ReadError("broken.")
    detector = Strict(measure=lambda target: Score(99.0 if target.problem else 0.0))
    assert found(made, detector).verdict is Verdict.FAIL


def test_a_prepared_scan_reaches_the_detector(made: Maker) -> None:
    detector = StandIn(**NEEDY, measure=lambda target: Score(float(target.prepared.body.mean())))
    assert found(made, detector, profiles=set_of(profile_of())).score == 1.0


def test_a_threshold_of_the_user_is_in_force(made: Maker) -> None:
    assert found(made, StandIn(), thresholds={"stand-in": "<=0.1"}).verdict is Verdict.FAIL


@pytest.mark.parametrize("key", ["stand-in.volume", "stand-in"])
def test_a_threshold_for_what_was_not_measured_is_inconclusive(made: Maker, key: str) -> None:
    detector = StandIn(
        rules={"size": Rule(fail_above=3.0)}, measure=giving(Score(None, (Measure("size", 1.0),)))
    )
    assert found(made, detector, thresholds={key: "<=3"}).verdict is Verdict.INCONCLUSIVE


def test_a_rate_without_calibration_scores_is_an_error(made: Maker) -> None:
    profiles = set_of(profile_of(scores=()))
    finding = found(made, StandIn(**NEEDY), profiles=profiles, thresholds={"stand-in": "p<=0.1"})
    assert finding.verdict is Verdict.ERROR


def test_a_threshold_that_cannot_be_read_is_a_users_mistake(made: Maker) -> None:
    with pytest.raises(UsageProblem, match="soon"):
        found(made, StandIn(), thresholds={"stand-in": "soon"})


@pytest.mark.parametrize(
    ("policy", "ref", "kept"),
    [
        ("failed", REFS[20], True),
        ("failed", REFS[1], False),
        ("all", REFS[20], True),
        ("all", REFS[1], True),
        ("none", REFS[20], False),
        ("none", REFS[1], False),
    ],
)
def test_heatmaps_are_kept_as_asked(made: Maker, policy: str, ref: ScanRef, kept: bool) -> None:
    def measure(target: Any) -> Score:
        heatmap = Heatmap(target.scan.voxels, target.scan.affine, "values")
        return replace(mean_of(target), heatmap=heatmap)

    finding = found(made, StandIn(measure=measure), ref=ref, heatmaps=policy)
    assert (finding.heatmap is not None) == kept


SERIES = Series("sub-01", "sub-01", tuple(ref_of("sub-01", session=f"ses-{n}") for n in (1, 2)))


def sizes(target: SeriesTarget) -> Score:
    return Score(float(len(target.scans)))


def series_found(make: Maker, detector: StandIn, **asked: Any) -> Finding:
    return make(detector, **asked).series(detector.name, SERIES)


def test_a_series_detector_gets_every_timepoint(made: Maker) -> None:
    assert series_found(made, StandIn(scope=Scope.SERIES, measure=sizes)).score == 2.0


def test_a_series_with_a_broken_timepoint_is_inconclusive(made: Maker, reader: StubReader) -> None:
    reader.broken["ses-2"] = ReadError("ses-2 is empty.")
    finding = series_found(made, StandIn(scope=Scope.SERIES, measure=sizes))
    assert (finding.verdict, "ses-2 is empty" in finding.reason) == (Verdict.INCONCLUSIVE, True)
    assert finding.headline == "1 of 2 timepoints cannot be read"


def test_a_bad_series_with_an_unreadable_timepoint_fails(made: Maker, reader: StubReader) -> None:
    reader.broken["ses-2"] = ReadError("ses-2 is empty.")
    detector = StandIn(scope=Scope.SERIES, measure=giving(Score(99.0)))
    assert series_found(made, detector).verdict is Verdict.FAIL


def test_a_series_that_cannot_be_read_at_all_is_an_error(made: Maker, reader: StubReader) -> None:
    reader.broken |= {name: ReadError(f"{name} is empty.") for name in ("ses-1", "ses-2")}
    finding = series_found(made, StandIn(scope=Scope.SERIES, measure=sizes))
    assert (finding.verdict, finding.reason, finding.headline) == (
        Verdict.ERROR,
        "Ses-1 is empty. ses-2 is empty.",
        "No timepoint can be read",
    )


def test_a_series_detector_that_needs_real_scans_and_has_none_is_an_error(made: Maker) -> None:
    detector = StandIn(scope=Scope.SERIES, measure=sizes, **NEEDY)
    assert series_found(made, detector).verdict is Verdict.ERROR


def rows(target: ReleaseTarget) -> Score:
    return Score(float(len(target.rows)))


def test_a_release_detector_gets_every_row(made: Maker) -> None:
    detector = StandIn(scope=Scope.RELEASE, measure=rows)
    table = [{"target": name, "subject": name} for name in "ab"]
    finding = made(detector).release("stand-in", table)
    assert (finding.target, finding.score, finding.verdict) == ("", 2.0, Verdict.PASS)


def test_a_release_with_a_scan_that_cannot_be_read_is_inconclusive(made: Maker) -> None:
    detector = StandIn(scope=Scope.RELEASE, measure=rows)
    table = [{"target": "a", "subject": "a"}, {"target": "b"}]
    assert made(detector).release("stand-in", table).verdict is Verdict.INCONCLUSIVE


def test_a_release_detector_without_real_scans_is_an_error(made: Maker) -> None:
    detector = StandIn(scope=Scope.RELEASE, measure=rows, **NEEDY)
    finding = made(detector).release("stand-in", [])
    assert (finding.verdict, "--safegen-reference" in finding.reason) == (Verdict.ERROR, True)


def test_a_release_detector_that_the_profile_does_not_know_says_so(made: Maker) -> None:
    detector = StandIn(scope=Scope.RELEASE, measure=rows, **NEEDY)
    finding = made(detector, profiles=set_of(profile_of("other"))).release("stand-in", [])
    assert (finding.verdict.blocks, "fit it again" in finding.reason) == (True, True)


RATED = {"score": Rule(false_alarm_rate=0.25)}


def test_the_limits_show_calibration_scores_and_source(made: Maker) -> None:
    known = made(StandIn(rules=RATED), profiles=set_of(profile_of())).calibrations()["stand-in"][""]
    assert known.scores == (1.0, 2.0, 3.0)
    assert known.limit == limit_at(np.array([1.0, 2.0, 3.0]), 0.25).value
    assert known.source.endswith("(held-out patients)")


def test_a_check_without_a_limit_on_its_score_has_none_to_show(made: Maker) -> None:
    detector = StandIn(rules={"size": Rule(fail_above=1.0)})
    assert made(detector, profiles=set_of(profile_of())).calibrations() == {}


def two_modalities() -> ProfileSet:
    known = set_of(profile_of())
    return replace(known, bundles={**known.bundles, "T2w": known.bundles["T1w"]})


def test_each_modality_has_a_calibration_of_its_own(made: Maker) -> None:
    known = made(StandIn(rules=RATED), profiles=two_modalities()).calibrations()
    assert sorted(known["stand-in"]) == ["T1w", "T2w"]


def test_a_finding_names_the_modality_by_which_it_was_judged(made: Maker) -> None:
    assert made(StandIn(), profiles=two_modalities()).scan("stand-in", REFS[1]).modality == "T1w"


def test_a_finding_names_no_modality_where_there_is_one_only(made: Maker) -> None:
    assert made(StandIn(), profiles=set_of(profile_of())).scan("stand-in", REFS[1]).modality == ""


def test_every_measure_with_a_rule_has_its_limits(made: Maker) -> None:
    rules = {**RATED, "size": Rule(fail_above=2.0, warn_below=0.5, source="a test")}
    known = made(StandIn(rules=rules), profiles=set_of(profile_of())).limits()["stand-in"][""]
    assert known["size"] == MeasureLimits(fail_above=2.0, warn_below=0.5, source="a test")
    assert known["score"].fail_above == limit_at(np.array([1.0, 2.0, 3.0]), 0.25).value


def test_a_limit_that_cannot_be_calibrated_is_left_out(made: Maker) -> None:
    assert made(StandIn(rules=RATED)).limits() == {"stand-in": {"": {}}}


@dataclass(frozen=True)
class Explaining(StandIn):
    def explain(self, target: Any, profile: Any, score: Score, *, device: str) -> list[Heatmap]:
        del profile, score, device
        kind = type(target).__name__.lower()
        return [Heatmap(np.ones((2, 2, 2), np.float32), np.eye(4), "why", name=kind)]


def test_a_scan_that_fails_is_explained(made: Maker) -> None:
    finding = found(made, Explaining(), ref=REFS[20])
    assert list(finding.layers) == ["scantarget"]


def test_a_scan_that_passes_is_not_explained(made: Maker) -> None:
    assert found(made, Explaining()).layers == {}


def test_a_series_that_fails_is_explained(made: Maker) -> None:
    detector = Explaining(scope=Scope.SERIES, measure=giving(Score(99.0)))
    assert list(series_found(made, detector).layers) == ["seriestarget"]


def test_what_was_never_scored_is_not_explained(made: Maker) -> None:
    detector = Explaining(measure=raising(NotJudged("it is too small")))
    assert found(made, detector, explain="all").layers == {}
