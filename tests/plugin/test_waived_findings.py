"""--safegen-waivers: reviewed findings pass as WAIVED, and never silently."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from gate_project import BAD, Project

from pytest_safegen.judging.waivers import Judgement, Review, to_toml, today

pytestmark = pytest.mark.slow

WAIVERS = "--safegen-waivers=safegen-waivers.toml"
OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
BRIGHT = ("brightness", "b.nii.gz")


@pytest.fixture
def spoiled(project: Project) -> Project:
    """One good scan and one that fails, whose failure is waived for a month."""
    project.scan("data/a.nii.gz")
    project.scan("data/b.nii.gz", BAD)
    assert project.gate().ret == FAILED
    _write(project, today() + timedelta(30))
    return project


def _write(project: Project, expires: date) -> None:
    (content,) = {line["content"] for line in project.findings() if line["content"]}
    review = Review(
        *BRIGHT, content, Judgement.ACCEPTED_RISK, "Ada", "known", today(), expires=expires
    )
    project.write("safegen-waivers.toml", to_toml([review]))


def test_a_waived_failure_is_green_and_shown(spoiled: Project) -> None:
    result = spoiled.gate(WAIVERS)
    assert result.ret == OK
    assert spoiled.verdicts()[BRIGHT] == "WAIVED"
    assert spoiled.verdicts()[("waivers", "")] == "PASS"
    assert spoiled.gate_json()["verdict"] == "WAIVED"
    result.stdout.fnmatch_lines(["*WAIVED*1 WAIVED (brightness 1)*"])


def test_without_the_option_nothing_is_waived(spoiled: Project) -> None:
    assert spoiled.gate().ret == FAILED


def test_a_changed_scan_is_no_longer_waived(spoiled: Project) -> None:
    spoiled.scan("data/b.nii.gz", BAD + 1)
    assert spoiled.gate(WAIVERS).ret == FAILED
    assert spoiled.verdicts()[BRIGHT] == "FAIL"
    assert "the content has changed" in spoiled.reason("waivers")


def test_a_stale_waiver_fails_though_every_scan_passes(spoiled: Project) -> None:
    spoiled.scan("data/b.nii.gz")
    result = spoiled.gate(WAIVERS)
    assert result.ret == FAILED
    assert "the finding is now PASS" in spoiled.reason("waivers")
    result.stdout.fnmatch_lines(["FAILED safegen-gate::waivers*"])


def test_an_expired_waiver_fails(spoiled: Project) -> None:
    _write(spoiled, today() - timedelta(1))
    assert spoiled.gate(WAIVERS).ret == FAILED
    assert spoiled.verdicts()[BRIGHT] == "FAIL"
    assert "expired on" in spoiled.reason("waivers")


def test_a_run_of_other_checks_leaves_a_waiver_alone(spoiled: Project) -> None:
    assert spoiled.gate(WAIVERS, checks="population").ret == OK


def test_the_workers_of_xdist_waive_too(spoiled: Project) -> None:
    pytest.importorskip("xdist")
    result = spoiled.pytester.runpytest_subprocess(
        "--safegen-data=data",
        "--safegen-checks=brightness",
        "--safegen-device=cpu",
        WAIVERS,
        "-n1",
        "-p",
        "xdist",
    )
    assert result.ret == OK
    assert spoiled.verdicts()[BRIGHT] == "WAIVED"


def test_a_series_is_waived_by_the_content_of_all_its_scans(project: Project) -> None:
    project.scan("data/sub-1/ses-1/anat/sub-1_ses-1_T1w.nii.gz")
    last = "data/sub-1/ses-2/anat/sub-1_ses-2_T1w.nii.gz"
    project.scan(last, 1.9)
    project.gate(checks="growth")
    (line,) = [each for each in project.findings() if each["check"] == "growth"]
    assert line["verdict"] == "FAIL"
    review = Review(
        "growth",
        line["target"],
        line["content"],
        Judgement.FALSE_ALARM,
        "A",
        "no",
        today(),
        expires=today(),
    )
    project.write("safegen-waivers.toml", to_toml([review]))
    assert project.gate(WAIVERS, checks="growth").ret == OK
    project.scan(last, 1.95)
    assert project.gate(WAIVERS, checks="growth").ret == FAILED


def test_a_file_that_is_no_review_is_wrong_use(project: Project) -> None:
    project.scan("data/a.nii.gz")
    project.write("safegen-waivers.toml", "[[review]]\ncheck = 1\n")
    result = project.gate(WAIVERS)
    assert result.ret == USAGE
    result.stderr.fnmatch_lines(["*Review 1 of *safegen-waivers.toml needs 'check'*"])
