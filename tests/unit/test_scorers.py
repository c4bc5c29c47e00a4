"""Detectors are opened once, and an accelerator scores in batches that change no finding."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from stand_in import StandIn, mean_of, profile_of, ref_of, set_of

from pytest_safegen.core.errors import NotJudged
from pytest_safegen.core.finding import Finding, Verdict
from pytest_safegen.core.score import Profile, Score
from pytest_safegen.judging.runner import Runner
from pytest_safegen.judging.scorers import BATCH_ON_ACCELERATOR, Scorers

REFS = [ref_of(f"sub-{n:02d}") for n in range(12)]
Maker = Callable[..., Runner]


@pytest.fixture(autouse=True)
def any_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_safegen.judging.runner.resolve_device", lambda asked: asked)


@dataclass(frozen=True)
class OnAccelerator(StandIn):
    needs_profile: bool = True
    refuses_batches: bool = False
    opened: list[str] = field(default_factory=list, compare=False)

    def open(self, profile: Profile | None, *, device: str) -> Any:
        self.opened.append(device)
        return StandIn.open(self, profile, device=device)

    def score(
        self, targets: Sequence[Any], profile: Profile | None, *, device: str
    ) -> Sequence[Score]:
        if self.refuses_batches and len(targets) > 1:
            raise RuntimeError("out of memory")
        return StandIn.score(self, targets, profile, device=device)


def judge_all(runner: Runner, *, ahead: int) -> list[Finding]:
    findings = [
        runner.scan("stand-in", ref, upcoming=REFS[n + 1 : n + 1 + ahead])
        for n, ref in enumerate(REFS)
    ]
    return [replace(finding, seconds=0) for finding in findings]


def judged_in_batches(make: Maker, detector: StandIn) -> list[Finding]:
    runner = make(detector, profiles=set_of(profile_of()), device="pretend")
    runner.loader.load(REFS[0], REFS[1:6])
    for ref in REFS[:6]:
        runner.facts(ref)
    return judge_all(runner, ahead=5)


def test_a_detector_is_opened_once(made: Maker) -> None:
    detector = OnAccelerator()
    judge_all(made(detector, profiles=set_of(profile_of())), ahead=2)
    assert detector.opened == ["cpu"]


def test_a_detector_that_cannot_be_opened_is_not_opened_again(made: Maker) -> None:
    @dataclass(frozen=True)
    class Broken(OnAccelerator):
        def open(self, profile: Profile | None, *, device: str) -> Any:
            del profile
            self.opened.append(device)
            raise NotJudged("the network is gone", headline="No network")

    detector = Broken()
    findings = judge_all(made(detector, profiles=set_of(profile_of())), ahead=0)
    assert {(f.verdict, f.headline) for f in findings} == {(Verdict.INCONCLUSIVE, "No network")}
    assert len(detector.opened) == 1


def test_a_cpu_scores_one_scan_at_a_time(made: Maker) -> None:
    detector = OnAccelerator()
    judge_all(made(detector, profiles=set_of(profile_of())), ahead=5)
    assert {len(names) for names in detector.scored} == {1}


def test_an_accelerator_scores_in_batches(made: Maker) -> None:
    detector = OnAccelerator()
    judged_in_batches(made, detector)
    assert max(len(names) for names in detector.scored) == BATCH_ON_ACCELERATOR


def test_a_batch_scores_each_scan_once(made: Maker) -> None:
    detector = OnAccelerator()
    judged_in_batches(made, detector)
    scored = sorted(name for names in detector.scored for name in names)
    assert scored == [ref.target for ref in REFS]


@pytest.mark.parametrize("refuses", [False, True])
def test_batches_do_not_change_the_findings(made: Maker, refuses: bool) -> None:
    alone = judge_all(made(OnAccelerator(), profiles=set_of(profile_of())), ahead=0)
    assert judged_in_batches(made, OnAccelerator(refuses_batches=refuses)) == alone


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


class Unopenable(StandIn):
    def open(self, profile: Profile | None, *, device: str) -> Any:
        del profile, device
        raise RuntimeError("no such library")


def test_a_detector_that_cannot_be_opened_holds_no_scan() -> None:
    class Held:
        """A target that can be watched."""

    scorers, held, detector = Scorers("cpu"), [Held() for _ in range(3)], Unopenable()
    problems = [str(scorers.score(detector, None, target)) for target in held]  # type: ignore[arg-type]
    watched = [weakref.ref(target) for target in held]
    held.clear()
    gc.collect()
    assert problems == ["no such library"] * 3
    assert [ref() for ref in watched] == [None] * 3
