"""`safegen review`: lists, takes in, and proposes limits."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from pathlib import Path

import pytest

from pytest_safegen import Calibration, Finding, Run, Verdict
from pytest_safegen.cli.main import main
from pytest_safegen.judging.review import import_reviews, proposal_lines, proposals, review_lines
from pytest_safegen.judging.waivers import Judgement, Review, read_reviews, to_toml
from pytest_safegen.results.files import ResultLog
from pytest_safegen.results.gate_json import save_run

DAY = date(2026, 6, 15)
REAL = [0.1, 0.5, 0.9, 1.3]


def _review(target: str, judgement: Judgement, score: float) -> Review:
    expires = None if judgement is Judgement.RIGHT else DAY + timedelta(9)
    return Review("anomaly", target, "x", judgement, "Ada", "why", DAY, expires, "FAIL", score)


def _finding(target: str, score: float) -> Finding:
    verdict = Verdict.FAIL if score > 1 else Verdict.PASS
    return Finding("anomaly", target, verdict, "Said.", score, 1.0, content="x")


@pytest.fixture
def run() -> Run:
    scores = {"a": 1.1, "b": 1.2, "c": 1.8, "d": 1.25, "e": 0.4}
    findings = tuple(_finding(name, score) for name, score in scores.items())
    calibrations = {"anomaly": {"": Calibration(tuple(REAL), limit=1.0)}}
    return Run(
        "1", "now", Verdict.FAIL, (), ("data",), "enforce", findings, {}, calibrations=calibrations
    )


ALARMS = (
    _review("a", Judgement.FALSE_ALARM, 1.1),
    _review("b", Judgement.FALSE_ALARM, 1.2),
    _review("c", Judgement.RIGHT, 1.8),
)


def test_a_limit_between_false_alarms_and_right_findings_is_proposed(run: Run) -> None:
    (proposal,) = proposals(ALARMS, run)
    assert proposal.proposed is not None
    assert proposal.proposed.limit == pytest.approx(1.5)
    assert (proposal.proposed.alarms_kept, proposal.proposed.right_kept) == (0, 1)


def test_each_modality_has_a_proposal_with_its_own_real_scans(run: Run) -> None:
    t2 = {"x": 3.1, "y": 3.4}
    findings = [dataclasses.replace(each, modality="T1w") for each in run.findings]
    findings += [
        dataclasses.replace(_finding(name, score), threshold=3.0, modality="T2w")
        for name, score in t2.items()
    ]
    calibrations = {
        "anomaly": {"T1w": Calibration(tuple(REAL)), "T2w": Calibration((2.0, 2.5, 3.2))}
    }
    both = dataclasses.replace(run, findings=tuple(findings), calibrations=calibrations)
    marks = (*ALARMS, _review("x", Judgement.FALSE_ALARM, 3.1))
    first, second = proposals(marks, both)
    assert [(first.modality, first.real), (second.modality, second.real)] == [
        ("T1w", len(REAL)),
        ("T2w", 3),
    ]
    assert (first.present.limit, second.present.limit) == (1.0, 3.0)


def test_a_proposal_says_what_else_it_lets_through(run: Run) -> None:
    (proposal,) = proposals(ALARMS, run)
    assert proposal.proposed is not None
    assert proposal.proposed.others_let_through == 1
    assert (proposal.present.real_failed, proposal.proposed.real_failed) == (1, 0)


def test_nothing_is_proposed_that_loses_as_much_as_it_gains(run: Run) -> None:
    marked = (_review("c", Judgement.FALSE_ALARM, 1.8), _review("a", Judgement.RIGHT, 1.1))
    (proposal,) = proposals(marked, run)
    assert proposal.proposed is None
    assert "as many right findings through" in "\n".join(proposal_lines(proposal))


def test_an_accepted_risk_should_go_on_failing(run: Run) -> None:
    marked = (ALARMS[0], _review("b", Judgement.ACCEPTED_RISK, 1.2))
    (proposal,) = proposals(marked, run)
    assert proposal.proposed is not None
    assert proposal.proposed.limit == pytest.approx(1.15)


def test_without_a_false_alarm_nothing_is_said(run: Run) -> None:
    assert proposals(ALARMS[2:], run) == []


def test_the_list_tells_the_state_of_each_review(run: Run) -> None:
    reviews = (
        *ALARMS,
        _review("e", Judgement.FALSE_ALARM, 0.4),
        _review("gone", Judgement.FALSE_ALARM, 2.0),
        dataclasses.replace(ALARMS[0], target="d", expires=DAY - timedelta(1)),
    )
    states = [line.split("\t")[0] for line in review_lines(reviews, DAY, run)]
    assert states == ["in force", "in force", "noted", "stale", "stale", "expired"]


def test_the_later_of_two_reviews_is_taken_in(tmp_path: Path) -> None:
    path, new = tmp_path / "all.toml", tmp_path / "new.toml"
    path.write_text(to_toml(ALARMS[:2]))
    later = dataclasses.replace(ALARMS[0], comment="better", reviewed=DAY + timedelta(1))
    new.write_text(to_toml([later, ALARMS[1], ALARMS[2]]))
    assert import_reviews(path, [new]) == 2
    assert read_reviews(path) == (later, *ALARMS[1:])
    path.write_text(to_toml([later]))
    new.write_text(to_toml(ALARMS[:1]))
    assert import_reviews(path, [new]) == 0


def test_the_command_takes_in_and_lists(tmp_path: Path, capsys) -> None:
    new = tmp_path / "new.toml"
    new.write_text(to_toml(ALARMS[2:]))
    assert main(["review", str(tmp_path / "all.toml"), "--import", str(new)]) == 0
    assert "noted\tanomaly\tc\tright" in capsys.readouterr().out


def test_the_command_fails_where_a_review_has_expired(tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    path.write_text(to_toml([dataclasses.replace(ALARMS[0], expires=date(2020, 1, 1))]))
    assert main(["review", str(path)]) == 1


def test_recalibrating_proposes_and_changes_nothing(tmp_path: Path, run: Run, capsys) -> None:
    log = ResultLog(tmp_path / "report")
    for finding in run.findings:
        log.add(finding)
    log.close()
    save_run(run, tmp_path / "report")
    path = tmp_path / "all.toml"
    path.write_text(to_toml(ALARMS))
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    arguments = ["review", str(path), "--recalibrate", "--report", str(tmp_path / "report")]
    assert main(arguments) == 0
    assert "--safegen-threshold 'anomaly=<=1.5'" in capsys.readouterr().out
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_recalibrating_without_a_report_is_wrong_use(tmp_path: Path, capsys) -> None:
    assert main(["review", str(tmp_path / "all.toml"), "--recalibrate"]) == 4
    assert "needs --report" in capsys.readouterr().err
