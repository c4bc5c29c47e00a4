"""Scans are read once and few at a time, whatever the release and the checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from stand_in import StandIn, StubReader, profile_of, ref_of, set_of

from pytest_safegen.core.errors import ReadError
from pytest_safegen.core.finding import Finding
from pytest_safegen.core.scan import ScanRef, Series
from pytest_safegen.core.score import Score
from pytest_safegen.core.targets import Scope, SeriesTarget
from pytest_safegen.judging.loader import SCANS_HELD, ScanLoader
from pytest_safegen.judging.runner import Runner

REFS = [ref_of(f"sub-{n:02d}") for n in range(40)]
TIMEPOINTS = 10
Maker = Callable[..., Runner]


def patient(number: int) -> Series:
    name = f"sub-{number:02d}"
    refs = tuple(ref_of(name, session=f"ses-{n:02d}") for n in range(TIMEPOINTS))
    return Series(name, name, refs)


PATIENTS = [patient(n) for n in range(4)]


def count(target: SeriesTarget) -> Score:
    return Score(float(len(target.scans)))


FOLLOW_UP = StandIn("follow-up", scope=Scope.SERIES, measure=count)


def judge_scans(runner: Runner, *, ahead: int, refs: Sequence[ScanRef] = REFS) -> list[Finding]:
    return [
        runner.scan("stand-in", ref, upcoming=refs[n + 1 : n + 1 + ahead])
        for n, ref in enumerate(refs)
    ]


def judge_patients(runner: Runner, *, ahead: int, series_first: bool = False) -> list[Finding]:
    """Scans and series in the order of pytest: each patient's scans, then the series."""
    order = [ref for series in PATIENTS for ref in series.refs]
    findings = []
    for series in PATIENTS:
        if series_first:
            findings.append(runner.series("follow-up", series))
        for ref in series.refs:
            place = order.index(ref) + 1
            findings.append(runner.scan("stand-in", ref, upcoming=order[place : place + ahead]))
        if not series_first:
            findings.append(runner.series("follow-up", series))
    return findings


@pytest.mark.parametrize("ahead", [0, 2, 5, 20])
def test_the_scans_in_memory_are_few_whatever_the_release(
    made: Maker, reader: StubReader, ahead: int
) -> None:
    judge_scans(made(StandIn()), ahead=ahead)
    assert reader.most_alive <= SCANS_HELD + 2  # one being read, one being dropped


@pytest.mark.parametrize("ahead", [0, 2, 5, 20])
def test_each_scan_is_read_once(made: Maker, reader: StubReader, ahead: int) -> None:
    judge_scans(made(StandIn()), ahead=ahead)
    assert sorted(reader.read) == [ref.target for ref in REFS]


def test_a_second_check_of_a_scan_does_not_read_it_again(made: Maker, reader: StubReader) -> None:
    runner = made(StandIn())
    runner.scan("stand-in", REFS[1])
    runner.scan("stand-in", REFS[1])
    assert reader.read == [REFS[1].target]


def test_reading_ahead_does_not_change_the_findings(made: Maker) -> None:
    alone, ahead = (judge_scans(made(StandIn()), ahead=n) for n in (0, 3))
    assert [replace(f, seconds=0) for f in alone] == [replace(f, seconds=0) for f in ahead]


@pytest.mark.parametrize("series_first", [False, True])
@pytest.mark.parametrize("ahead", [0, 2, 5])
def test_each_scan_of_a_follow_up_is_read_once_by_checks_of_scans_and_of_series(
    made: Maker, reader: StubReader, ahead: int, series_first: bool
) -> None:
    judge_patients(made(StandIn(), FOLLOW_UP), ahead=ahead, series_first=series_first)
    assert sorted(reader.read) == sorted(ref.target for one in PATIENTS for ref in one.refs)


def test_two_checks_of_a_series_read_it_once(made: Maker, reader: StubReader) -> None:
    runner = made(FOLLOW_UP, replace(FOLLOW_UP, name="other"))
    for check in ("follow-up", "other"):
        runner.series(check, PATIENTS[0])
    assert sorted(reader.read) == [ref.target for ref in PATIENTS[0].refs]


@pytest.mark.parametrize("ahead", [0, 2, 5])
def test_the_scans_in_memory_are_those_of_one_patient_and_a_few(
    made: Maker, reader: StubReader, ahead: int
) -> None:
    judge_patients(made(StandIn(), FOLLOW_UP), ahead=ahead)
    assert reader.most_alive <= TIMEPOINTS + SCANS_HELD + 2


def test_without_a_check_of_series_no_patient_is_held(made: Maker, reader: StubReader) -> None:
    runner = made(StandIn())
    judge_scans(runner, ahead=2, refs=PATIENTS[0].refs)
    assert reader.alive <= SCANS_HELD + 1


def test_series_alone_hold_one_patient_at_a_time(made: Maker, reader: StubReader) -> None:
    runner = made(FOLLOW_UP)
    for series in PATIENTS:
        runner.series("follow-up", series)
    assert reader.most_alive <= TIMEPOINTS + 1


def test_a_series_gets_its_scans_as_they_were_read(made: Maker) -> None:
    targets: list[SeriesTarget] = []

    def noted(target: SeriesTarget) -> Score:
        targets.append(target)
        return count(target)

    detector = replace(FOLLOW_UP, measure=noted)
    judge_patients(made(StandIn(), detector, profiles=set_of(profile_of())), ahead=2)
    alone = made(detector, profiles=set_of(profile_of()))
    alone.series("follow-up", PATIENTS[0])
    assert [(s.ref, s.own, s.prepared, s.unprepared) for s in targets[0].scans] == [
        (s.ref, s.own, s.prepared, s.unprepared) for s in targets[-1].scans
    ]


def test_the_facts_of_an_unreadable_scan_are_its_name(made: Maker, reader: StubReader) -> None:
    reader.broken["sub-01"] = ReadError("broken.")
    assert made(StandIn()).facts(REFS[1]) == {"target": REFS[1].target}


def test_the_facts_of_a_scan_in_memory_cost_no_reading(made: Maker, reader: StubReader) -> None:
    runner = made(StandIn())
    runner.scan("stand-in", REFS[1])
    assert runner.facts(REFS[1])["subject"] == "sub-01"
    assert reader.read == [REFS[1].target]


def test_upcoming_scans_are_ready_once_they_are_prepared(reader: StubReader) -> None:
    loader = ScanLoader(lambda _: None)
    loader.load(REFS[0], REFS[1:3])
    for ref in REFS[1:3]:
        loader.facts(ref)
    assert [target.ref for target in loader.ready()] == REFS[1:3]
    loader.close()
    assert len(reader.read) == 3
