"""Runs of several machines as one: complete, in agreement, never greener than they are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pytest_safegen import Finding, Heatmap, Run, UsageProblem, Verdict
from pytest_safegen.judging.heatmaps import save_heatmap
from pytest_safegen.results.files import ResultLog, load_run
from pytest_safegen.results.gate_json import save_run
from pytest_safegen.results.merge import merge

WITH_METADATA = {"anomaly": "scan", "metadata": "release"}
TARGETS = ("a.nii", "b.nii", "c.nii", "d.nii")


def _finding(target: str, verdict: Verdict = Verdict.PASS, check: str = "anomaly") -> Finding:
    return Finding(check, target, verdict, "Said.", 0.5, 1.0)


def _part(folder: Path, findings: list[Finding], **changes: object) -> Path:
    judged = sum(bool(finding.target) for finding in findings)
    counts = {"scans": 4, "series": 0, "left_out": 0, "discovered": 4}
    counts |= dict.fromkeys(("collected", "judged", "reported"), judged)
    run = Run(
        folder.name,
        "now",
        Verdict.PASS,
        (),
        ("data",),
        "enforce",
        tuple(findings),
        counts,
        release="one",
        checks={"anomaly": "scan"},
    )
    run = dataclasses.replace(run, **changes)  # type: ignore[arg-type]
    log = ResultLog(folder)
    for number, finding in enumerate(findings):
        log.add(finding)
        log.add_row({"target": finding.target, "number": number})
    log.close()
    save_run(run, folder)
    return folder


@pytest.fixture
def halves(tmp_path: Path) -> list[Path]:
    """Two machines that judged two scans each of one release."""
    return [
        _part(tmp_path / "one", [_finding(target) for target in TARGETS[:2]]),
        _part(tmp_path / "two", [_finding(target) for target in TARGETS[2:]]),
    ]


def test_two_halves_are_the_whole(halves: list[Path], tmp_path: Path) -> None:
    run = merge(halves, tmp_path / "all")
    assert run.verdict is Verdict.PASS
    assert [finding.target for finding in run.findings] == list(TARGETS)
    assert [run.counts[n] for n in ("discovered", "collected", "judged", "reported")] == [4] * 4


def test_what_was_merged_is_on_disk(halves: list[Path], tmp_path: Path) -> None:
    run = merge(halves, tmp_path / "all")
    assert load_run(tmp_path / "all") == run
    assert len((tmp_path / "all" / "scans.jsonl").read_text().splitlines()) == 4


def test_a_half_that_is_missing_is_never_green(halves: list[Path], tmp_path: Path) -> None:
    run = merge(halves[:1], tmp_path / "all")
    assert run.verdict is Verdict.ERROR
    assert "2 checks of a release" in run.reasons[0]


def test_two_different_halves_of_two_releases_are_not_a_whole(tmp_path: Path) -> None:
    one = _part(tmp_path / "one", [_finding("a.nii"), _finding("b.nii")])
    two = _part(tmp_path / "two", [_finding("c.nii"), _finding("d.nii")], release="two")
    run = merge([one, two], tmp_path / "all")
    assert run.verdict is Verdict.ERROR
    assert (run.counts["discovered"], run.counts["judged"]) == (8, 4)


def test_releases_that_are_complete_are_added(tmp_path: Path) -> None:
    one = _part(tmp_path / "one", [_finding(target) for target in TARGETS])
    two = _part(tmp_path / "two", [_finding("x" + t) for t in TARGETS], release="two")
    run = merge([one, two], tmp_path / "all")
    assert (run.verdict, run.counts["discovered"], run.counts["judged"]) == (Verdict.PASS, 8, 8)


def test_the_worst_verdict_is_that_of_all(halves: list[Path], tmp_path: Path) -> None:
    bad = [_finding("c.nii", Verdict.FAIL), _finding("d.nii")]
    _part(halves[1], bad)
    assert merge(halves, tmp_path / "all").verdict is Verdict.FAIL


def test_parts_may_overlap_if_they_agree(halves: list[Path], tmp_path: Path) -> None:
    _part(halves[1], [_finding(target) for target in TARGETS[1:]])
    assert merge(halves, tmp_path / "all").counts["judged"] == 4


def test_parts_that_contradict_each_other_are_refused(halves: list[Path], tmp_path: Path) -> None:
    _part(halves[1], [_finding("b.nii", Verdict.FAIL)])
    with pytest.raises(UsageProblem, match=r"anomaly of b\.nii is PASS and FAIL"):
        merge(halves, tmp_path / "all")


def test_two_releases_with_the_same_name_of_a_scan_are_refused(tmp_path: Path) -> None:
    one = _part(tmp_path / "one", [_finding("a.nii")])
    two = _part(tmp_path / "two", [_finding("a.nii")], release="two")
    with pytest.raises(UsageProblem, match="different releases, and both judged"):
        merge([one, two], tmp_path / "all")


@pytest.mark.parametrize(
    "change", [{"version": "2"}, {"profile_digests": {"profile": "x"}}, {"config_digest": "x"}]
)
def test_runs_that_do_not_belong_together_are_refused(halves, tmp_path, change) -> None:
    _part(halves[1], [_finding("c.nii")], **change)
    with pytest.raises(UsageProblem, match="do not belong together"):
        merge(halves, tmp_path / "all")


def test_a_check_of_the_whole_that_no_part_made_is_never_green(tmp_path: Path) -> None:
    part = _part(tmp_path / "one", [_finding(t) for t in TARGETS], checks=WITH_METADATA)
    assert merge([part], tmp_path / "all").verdict is Verdict.ERROR


def test_a_check_of_the_whole_that_one_part_made_is_enough(halves, tmp_path) -> None:
    findings = [_finding(target) for target in TARGETS[2:]]
    _part(halves[1], [*findings, _finding("", check="metadata")], checks=WITH_METADATA)
    assert merge(halves, tmp_path / "all").verdict is Verdict.PASS


def test_an_accounting_that_did_not_add_up_is_kept(halves, tmp_path) -> None:
    wrong = _finding("", Verdict.ERROR, "accounting")
    _part(halves[1], [*(_finding(target) for target in TARGETS[2:]), wrong])
    assert merge(halves, tmp_path / "all").verdict is Verdict.ERROR


def test_heatmaps_come_along(halves: list[Path], tmp_path: Path) -> None:
    heat = Heatmap(np.ones((2, 2, 2), np.float32), np.eye(4), "odd")
    finding = save_heatmap(heat, halves[0], _finding("a.nii"))
    _part(halves[0], [finding, _finding("b.nii")])
    run = merge(halves, tmp_path / "all")
    assert (tmp_path / "all" / str(run.findings[0].heatmap)).is_file()


def test_a_map_outside_its_report_is_not_copied(halves: list[Path], tmp_path: Path) -> None:
    (tmp_path / "secret.nii.gz").write_bytes(b"secret")
    outside = dataclasses.replace(_finding("a.nii"), heatmap="../secret.nii.gz")
    _part(halves[0], [outside, _finding("b.nii")])
    merge(halves, tmp_path / "deep" / "all")
    assert not (tmp_path / "deep" / "secret.nii.gz").exists()


def test_a_projects_own_test_does_not_make_up_for_a_missing_check(halves, tmp_path) -> None:
    own = [_finding(target, check="test_mine") for target in TARGETS[2:]]
    _part(halves[1], own)
    assert merge(halves, tmp_path / "all").verdict is Verdict.ERROR
