"""Every target gets its finding, whatever its file or the detector does, in bounded memory."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_in import StandIn, mean_of, profile_of, ref_of, scan_of, set_of

from pytest_safegen.config.device import resolve_device
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.calibration import MeasureLimits
from pytest_safegen.core.errors import NotJudged, ReadError, UsageProblem
from pytest_safegen.core.finding import Finding, Verdict
from pytest_safegen.core.scan import Scan, ScanRef, Series
from pytest_safegen.core.score import Heatmap, Measure, Profile, Rule, Score
from pytest_safegen.core.targets import ReleaseTarget, Scope, SeriesTarget
from pytest_safegen.judging.calibration import limit_at
from pytest_safegen.judging.runner import BATCH_ON_ACCELERATOR, SCANS_HELD, Runner
from pytest_safegen.profiles.model import ProfileSet

REFS = [ref_of(f"sub-{n:02d}") for n in range(40)]
NEEDY = {"needs_profile": True, "rules": {"score": Rule(fail_above=10.0)}}


class Reader:
    """Stands in for the reader of files: a scan whose mean is the subject's number."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.broken: dict[str, Exception] = {}
        self.alive = 0
        self.most_alive = 0
        self._lock = threading.Lock()

    def __call__(self, ref: ScanRef) -> Scan:
        with self._lock:
            self.read.append(ref.target)
            if ref.subject in self.broken:
                raise self.broken[ref.subject]
            values = np.random.default_rng(0).random((8, 8, 8)) + float(ref.subject[-2:])
            scan = replace(scan_of(values, affine=np.diag([4.0, 4, 4, 1])), ref=ref)
            self.alive += 1
            weakref.finalize(scan.voxels, self._dropped)
            self.most_alive = max(self.most_alive, self.alive)
            return scan

    def _dropped(self) -> None:
        self.alive -= 1


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    stand_in = Reader()
    monkeypatch.setattr("pytest_safegen.judging.runner.read_scan", stand_in)
    return stand_in


Maker = Callable[..., Runner]


@pytest.fixture
def made(tmp_path: Path, reader: Reader) -> Iterator[Maker]:
    """Makes pipelines with one detector, and closes them."""
    opened: list[Runner] = []

    def make(detector: StandIn, profiles: ProfileSet | None = None, **asked: Any) -> Runner:
        settings = Settings(tmp_path, device="cpu", report=tmp_path / "report", **asked)
        opened.append(Runner(settings, {detector.name: detector}, profiles))
        return opened[-1]

    yield make
    for pipeline in opened:
        pipeline.close()


def raising(problem: Exception) -> Callable[[Any], Score]:
    def measure(target: Any) -> Score:
        raise problem

    return measure


def giving(score: Any) -> Callable[[Any], Score]:
    return lambda _: score


def found(make: Maker, detector: StandIn, *, ref: ScanRef = REFS[1], **asked: Any) -> Finding:
    return make(detector, **asked).scan(detector.name, ref)


@pytest.mark.parametrize(("ref", "expected"), [(REFS[1], Verdict.PASS), (REFS[20], Verdict.FAIL)])
def test_a_scan_is_judged_by_the_rule(made: Maker, ref: ScanRef, expected: Verdict) -> None:
    assert found(made, StandIn(), ref=ref).verdict is expected


def test_the_finding_names_check_and_target(made: Maker) -> None:
    finding = found(made, StandIn())
    assert (finding.check, finding.target) == ("stand-in", "sub-01/sub-01.nii.gz")


def test_what_a_detector_cannot_judge_is_inconclusive(made: Maker) -> None:
    finding = found(made, StandIn(measure=raising(NotJudged("it is too small"))))
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, "It is too small.")


def test_a_crash_is_an_error_that_names_its_type(made: Maker) -> None:
    finding = found(made, StandIn(measure=raising(ZeroDivisionError("by zero\nand more"))))
    assert finding.verdict is Verdict.ERROR
    assert "ZeroDivisionError: by zero)" in finding.reason


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


def test_a_scan_that_cannot_be_read_is_an_error(made: Maker, reader: Reader) -> None:
    reader.broken["sub-01"] = ReadError("sub-01/sub-01.nii.gz is empty. Write it again.")
    finding = found(made, StandIn())
    assert (finding.verdict, finding.reason) == (
        Verdict.ERROR,
        "sub-01/sub-01.nii.gz is empty. Write it again.",
    )


def test_a_reader_that_crashes_is_an_error_that_names_the_file(made: Maker, reader: Reader) -> None:
    reader.broken["sub-01"] = MemoryError()
    finding = found(made, StandIn())
    assert finding.verdict is Verdict.ERROR
    assert finding.reason.startswith("sub-01/sub-01.nii.gz cannot be read")


def test_a_broken_scan_does_not_stop_the_others(made: Maker, reader: Reader) -> None:
    reader.broken["sub-01"] = ReadError("broken.")
    pipeline = made(StandIn())
    verdicts = [pipeline.scan("stand-in", ref, upcoming=REFS[1:3]).verdict for ref in REFS[:3]]
    assert verdicts == [Verdict.PASS, Verdict.ERROR, Verdict.PASS]


def test_a_detector_that_judges_unreadable_scans_gets_them(made: Maker, reader: Reader) -> None:
    class Strict(StandIn):
        judges_unreadable = True

    reader.broken["sub-01"] = ReadError("broken.")
    detector = Strict(measure=lambda target: Score(99.0 if target.problem else 0.0))
    assert found(made, detector).verdict is Verdict.FAIL


def test_without_real_scans_a_comparing_check_is_an_error_with_the_way_out(made: Maker) -> None:
    finding = found(made, StandIn(**NEEDY))
    assert finding.verdict is Verdict.ERROR
    assert "--safegen-reference" in finding.reason


def test_a_profile_that_does_not_know_the_check_is_inconclusive(made: Maker) -> None:
    finding = found(made, StandIn(**NEEDY), profiles=set_of(profile_of("other")))
    assert (finding.verdict, "fit it again" in finding.reason) == (Verdict.INCONCLUSIVE, True)


def test_a_modality_without_real_scans_is_inconclusive(made: Maker) -> None:
    known = set_of(profile_of())
    both = replace(known, bundles={**known.bundles, "T2w": known.bundles["T1w"]})
    ref = ref_of("sub-01", modality="FLAIR")
    finding = found(made, StandIn(**NEEDY), profiles=both, ref=ref)
    assert (finding.verdict, "FLAIR" in finding.reason) == (Verdict.INCONCLUSIVE, True)


def test_a_scan_that_cannot_be_prepared_is_inconclusive(
    made: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pytest_safegen.judging.runner.canonical", raising_two(NotJudged("it is flat"))
    )
    finding = found(made, StandIn(**NEEDY), profiles=set_of(profile_of()))
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, "It is flat.")


def test_a_crash_of_the_preparation_is_never_a_pass(
    made: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_safegen.judging.runner.canonical", raising_two(IndexError("oh")))
    finding = found(made, StandIn(**NEEDY), profiles=set_of(profile_of()))
    assert (finding.verdict.blocks, "IndexError" in finding.reason) == (True, True)


def raising_two(problem: Exception) -> Callable[[Any, Any], Any]:
    def canonical(scan: Any, options: Any) -> Any:
        raise problem

    return canonical


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


def judge_all(pipeline: Runner, *, ahead: int, refs: Sequence[ScanRef] = REFS) -> list[Finding]:
    return [
        pipeline.scan("stand-in", ref, upcoming=refs[n + 1 : n + 1 + ahead])
        for n, ref in enumerate(refs)
    ]


@pytest.mark.parametrize("ahead", [0, 2, 5, 20])
def test_the_scans_in_memory_are_few_whatever_the_release(
    made: Maker, reader: Reader, ahead: int
) -> None:
    judge_all(made(StandIn()), ahead=ahead)
    assert reader.most_alive <= SCANS_HELD + 2  # one being read, one being dropped


@pytest.mark.parametrize("ahead", [0, 2, 5, 20])
def test_each_scan_is_read_once(made: Maker, reader: Reader, ahead: int) -> None:
    judge_all(made(StandIn()), ahead=ahead)
    assert sorted(reader.read) == [ref.target for ref in REFS]


def test_a_second_check_of_a_scan_does_not_read_it_again(made: Maker, reader: Reader) -> None:
    pipeline = made(StandIn())
    pipeline.scan("stand-in", REFS[1])
    pipeline.scan("stand-in", REFS[1])
    assert reader.read == [REFS[1].target]


def test_reading_ahead_does_not_change_the_findings(made: Maker) -> None:
    alone, ahead = (judge_all(made(StandIn()), ahead=n) for n in (0, 3))
    assert [replace(f, seconds=0) for f in alone] == [replace(f, seconds=0) for f in ahead]


@dataclass(frozen=True)
class OnAccelerator(StandIn):
    needs_profile: bool = True
    refuses_batches: bool = False

    def score(
        self, targets: Sequence[Any], profile: Profile | None, *, device: str
    ) -> Sequence[Score]:
        if self.refuses_batches and len(targets) > 1:
            raise RuntimeError("out of memory")
        return StandIn.score(self, targets, profile, device=device)


def on_accelerator(make: Maker, detector: StandIn) -> Runner:
    pipeline = make(detector, set_of(profile_of()))
    pipeline.device = "pretend"
    return pipeline


def batches(detector: StandIn) -> list[int]:
    return [len(names) for names in detector.scored]


def wait_for(pipeline: Runner, refs: Sequence[ScanRef]) -> None:
    for ref in refs:
        pipeline.facts(ref)


def judged_in_batches(make: Maker, detector: StandIn) -> list[Finding]:
    pipeline = on_accelerator(make, detector)
    pipeline._load(REFS[0], REFS[1:6])
    wait_for(pipeline, REFS[:6])
    return judge_all(pipeline, ahead=5, refs=REFS[:12])


def test_an_accelerator_scores_in_batches(made: Maker) -> None:
    detector = OnAccelerator()
    judged_in_batches(made, detector)
    assert max(batches(detector)) == BATCH_ON_ACCELERATOR


def test_a_batch_scores_each_scan_once(made: Maker) -> None:
    detector = OnAccelerator()
    judged_in_batches(made, detector)
    assert sorted(name for names in detector.scored for name in names) == [
        ref.target for ref in REFS[:12]
    ]


@pytest.mark.parametrize("refuses", [False, True])
def test_batches_do_not_change_the_findings(made: Maker, refuses: bool) -> None:
    alone = judge_all(made(OnAccelerator(), set_of(profile_of())), ahead=0, refs=REFS[:12])
    batched = judged_in_batches(made, OnAccelerator(refuses_batches=refuses))
    assert [replace(f, seconds=0) for f in alone] == [replace(f, seconds=0) for f in batched]


def test_one_scan_that_cannot_be_judged_does_not_spoil_its_batch(made: Maker) -> None:
    def measure(target: Any) -> Score:
        if target.ref == REFS[2]:
            raise NotJudged("it is too small")
        return mean_of(target)

    verdicts = [f.verdict for f in judged_in_batches(made, OnAccelerator(measure=measure))[:4]]
    assert verdicts == [Verdict.PASS, Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.PASS]


def test_a_batch_with_too_few_scores_is_scored_one_by_one(made: Maker) -> None:
    class Miscounting(OnAccelerator):
        def score(self, targets: Any, profile: Any, *, device: str) -> Sequence[Score]:
            return OnAccelerator.score(self, targets[:1], profile, device=device)

    assert judged_in_batches(made, Miscounting())[3].score == pytest.approx(3.5, abs=0.1)


SERIES = Series("sub-01", "sub-01", (REFS[1], REFS[2]))


def sizes(target: SeriesTarget) -> Score:
    return Score(float(len(target.scans)))


def series_found(make: Maker, detector: StandIn, **asked: Any) -> Finding:
    return make(detector, **asked).series(detector.name, SERIES)


def test_a_series_detector_gets_every_timepoint(made: Maker) -> None:
    assert series_found(made, StandIn(scope=Scope.SERIES, measure=sizes)).score == 2.0


def test_a_series_with_an_unreadable_timepoint_is_inconclusive(made: Maker, reader: Reader) -> None:
    reader.broken["sub-02"] = ReadError("sub-02 is empty.")
    finding = series_found(made, StandIn(scope=Scope.SERIES, measure=sizes))
    assert (finding.verdict, "sub-02 is empty" in finding.reason) == (Verdict.INCONCLUSIVE, True)


def test_a_bad_series_with_an_unreadable_timepoint_fails(made: Maker, reader: Reader) -> None:
    reader.broken["sub-02"] = ReadError("sub-02 is empty.")
    detector = StandIn(scope=Scope.SERIES, measure=giving(Score(99.0)))
    assert series_found(made, detector).verdict is Verdict.FAIL


def test_a_series_that_cannot_be_read_at_all_is_an_error(made: Maker, reader: Reader) -> None:
    reader.broken |= {name: ReadError(f"{name} is empty.") for name in ("sub-01", "sub-02")}
    finding = series_found(made, StandIn(scope=Scope.SERIES, measure=sizes))
    assert (finding.verdict, finding.reason) == (
        Verdict.ERROR,
        "sub-01 is empty. sub-02 is empty.",
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
    finding = made(detector, set_of(profile_of("other"))).release("stand-in", [])
    assert (finding.verdict.blocks, "fit it again" in finding.reason) == (True, True)


def test_the_facts_of_an_unreadable_scan_are_its_name(made: Maker, reader: Reader) -> None:
    reader.broken["sub-01"] = ReadError("broken.")
    assert made(StandIn()).facts(REFS[1]) == {"target": REFS[1].target}


def test_the_facts_of_a_scan_in_memory_cost_no_reading(made: Maker, reader: Reader) -> None:
    pipeline = made(StandIn())
    pipeline.scan("stand-in", REFS[1])
    assert pipeline.facts(REFS[1])["subject"] == "sub-01"
    assert reader.read == [REFS[1].target]


RATED = {"score": Rule(false_alarm_rate=0.25)}


def test_the_limits_show_calibration_scores_and_source(made: Maker) -> None:
    known = made(StandIn(rules=RATED), set_of(profile_of())).calibrations()["stand-in"][""]
    assert known.scores == (1.0, 2.0, 3.0)
    assert known.limit == limit_at(np.array([1.0, 2.0, 3.0]), 0.25).value
    assert known.source.endswith("(held-out patients)")


def test_a_check_without_a_limit_on_its_score_has_none_to_show(made: Maker) -> None:
    detector = StandIn(rules={"size": Rule(fail_above=1.0)})
    assert made(detector, set_of(profile_of())).calibrations() == {}


def two_modalities() -> ProfileSet:
    known = set_of(profile_of())
    return replace(known, bundles={**known.bundles, "T2w": known.bundles["T1w"]})


def test_each_modality_has_a_calibration_of_its_own(made: Maker) -> None:
    known = made(StandIn(rules=RATED), two_modalities()).calibrations()
    assert sorted(known["stand-in"]) == ["T1w", "T2w"]


def test_a_finding_names_the_modality_by_which_it_was_judged(made: Maker) -> None:
    assert made(StandIn(), two_modalities()).scan("stand-in", REFS[1]).modality == "T1w"


def test_a_finding_names_no_modality_where_there_is_one_only(made: Maker) -> None:
    assert made(StandIn(), set_of(profile_of())).scan("stand-in", REFS[1]).modality == ""


def test_every_measure_with_a_rule_has_its_limits(made: Maker) -> None:
    rules = {**RATED, "size": Rule(fail_above=2.0, warn_below=0.5, source="a test")}
    known = made(StandIn(rules=rules), set_of(profile_of())).limits()["stand-in"][""]
    assert known["size"] == MeasureLimits(fail_above=2.0, warn_below=0.5, source="a test")
    assert known["score"].fail_above == limit_at(np.array([1.0, 2.0, 3.0]), 0.25).value


def test_a_limit_that_cannot_be_calibrated_is_left_out(made: Maker) -> None:
    assert made(StandIn(rules=RATED)).limits() == {"stand-in": {"": {}}}


def test_the_device_cpu_is_always_there() -> None:
    assert resolve_device("cpu") == "cpu"


def test_a_device_that_is_not_there_is_a_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UsageProblem, match="--safegen-device=cuda is not there"):
        resolve_device("cuda")


@pytest.mark.parametrize(("there", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_the_best_device(
    monkeypatch: pytest.MonkeyPatch, there: bool, expected: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: there)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert resolve_device("auto") == expected


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
