"""Every planted fault must fail, or the run is inconclusive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_in import StandIn

from pytest_safegen.config.settings import Settings
from pytest_safegen.core.errors import ReadError
from pytest_safegen.core.finding import Finding, Verdict
from pytest_safegen.core.scan import Scan, ScanRef
from pytest_safegen.core.score import Measure, Rule, Score
from pytest_safegen.faults import FAMILIES as BANK
from pytest_safegen.judging.runner import Runner
from pytest_safegen.judging.self_test import FAMILIES, run_self_test
from pytest_safegen.testing import phantom

SCANS = {scan.ref.target: scan for scan in map(phantom, range(8))}
REFS = [scan.ref for scan in SCANS.values()]


def change_of(target: Any) -> Score:
    """How far a scan is from what lies on disk."""
    return Score(float(np.abs(target.scan.voxels - SCANS[target.ref.target].voxels).mean()))


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Finding]]:
    """Runs the self-test with a detector that fails what it measures above 0."""
    monkeypatch.setattr("pytest_safegen.judging.loader.read_scan", lambda ref: SCANS[ref.target])
    runners: list[Runner] = []

    def judge(measure: Any = change_of, *, count: int = 6, **changes: Any) -> Finding:
        detector = StandIn(measure=measure, rules={"score": Rule(fail_above=0.0)})
        settings = Settings(tmp_path, device="cpu", report=tmp_path / "report")
        runners.append(Runner(settings, {detector.name: detector}, None))
        given: dict[str, Any] = {"checks": [detector.name], "refs": REFS, "findings": ()}
        given |= changes
        return run_self_test(runners[-1], **given, count=count, seed=3)

    yield judge
    for runner in runners:
        runner.close()


def test_planted_faults_that_all_fail_are_a_pass_that_names_each(judged: Any) -> None:
    finding = judged()
    assert (finding.check, finding.target, finding.verdict) == ("self-test", "", Verdict.PASS)
    assert finding.measures == (Measure("planted", 6.0, "scans"), Measure("caught", 6.0, "scans"))
    assert finding.reason.startswith("All 6 planted faults were caught: blur in sub-")
    assert [fault for fault in FAMILIES if f"{fault} in sub-" not in finding.reason] == []


def test_missed_faults_make_the_run_inconclusive(judged: Any) -> None:
    finding = judged(lambda _: Score(0.0))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.headline == "6 of 6 planted faults missed"
    assert finding.reason.startswith("6 of 6 planted faults were missed, so a PASS in this run")
    assert "failed by no check" in finding.reason


def test_a_check_that_crashes_has_caught_nothing(judged: Any) -> None:
    def crash(_: Any) -> Score:
        raise RuntimeError("no memory left")

    assert judged(crash).verdict is Verdict.INCONCLUSIVE


def test_the_same_seed_plants_the_same_faults(judged: Any) -> None:
    seen: list[float] = []

    def noted(target: Any) -> Score:
        seen.append(float(target.scan.voxels.sum()))
        return change_of(target)

    assert judged(noted).reason == judged(noted).reason
    assert seen[:6] == seen[6:]


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.WAIVED, Verdict.WARN])
def test_faults_are_planted_in_scans_that_passed_alone(judged: Any, verdict: Verdict) -> None:
    others = [Finding("other", ref.target, verdict, "") for ref in REFS[1:]]
    finding = judged(findings=others)
    assert finding.reason.count(REFS[0].target) == finding.measures[0].value
    assert not any(ref.target in finding.reason for ref in REFS[1:])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"checks": []}, "No active check compares scans with real ones."),
        ({"refs": []}, "No scan passed, so a planted fault would show nothing."),
    ],
)
def test_without_check_or_scan_it_is_inconclusive(judged: Any, changes: Any, reason: str) -> None:
    finding = judged(**changes)
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, reason)


def test_a_scan_that_cannot_be_read_again_is_a_missed_fault(
    judged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(ref: ScanRef) -> Scan:
        raise ReadError(f"{ref.target} is gone.")

    monkeypatch.setattr("pytest_safegen.judging.loader.read_scan", gone)
    finding = judged(count=1)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "it could not be planted: sub-" in finding.reason


def test_every_fault_fits_ct_and_mr_and_is_of_the_whole_scan() -> None:
    chosen = [BANK[name] for name in FAMILIES]
    assert all(family.modalities == {"ct", "mr"} and not family.local for family in chosen)
