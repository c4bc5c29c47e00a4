"""Failures of many scans are one cause where the same thing is wrong with them."""

from __future__ import annotations

import pytest

from pytest_safegen.core.finding import Breach, Finding, Verdict
from pytest_safegen.pytest_plugin.causes import Cause, Failure, causes_of, counted
from pytest_safegen.pytest_plugin.failures import failure_repr, failure_text, headline

NO_REFERENCE = "No real scans were given: add --safegen-reference."


def failure(
    target: str, reason: str, verdict: Verdict = Verdict.FAIL, check: str = "anomaly", **more: str
) -> Failure:
    finding = Finding(check, target, verdict, reason, headline=more.get("headline", ""))
    nodeid = f"data/{target}::{check}"
    report = pytest.TestReport(nodeid, (target, None, check), {}, "failed", reason, "call")
    return Failure(report, finding)


def headings(*failures: Failure) -> list[str]:
    return [cause.heading for cause in causes_of(failures)]


def only(*failures: Failure) -> Cause:
    (cause,) = causes_of(failures)
    return cause


def test_one_sentence_of_many_scans_is_one_cause() -> None:
    names = [f"s{n}.nii" for n in range(12)]
    cause = only(*(failure(name, NO_REFERENCE) for name in names))
    assert cause.heading == "anomaly: 12 failures"


def test_checks_that_fail_for_one_reason_share_a_cause() -> None:
    some = [failure("a.nii", NO_REFERENCE, check=check) for check in ("anomaly", "memorization")]
    assert headings(*some) == ["anomaly, memorization of a.nii: 2 failures"]


def test_the_name_of_the_scan_does_not_make_another_cause() -> None:
    cause = only(*(failure(name, f"{name} is truncated.") for name in ("x/a.nii", "x/b.nii")))
    assert cause.more == 1


def test_the_name_of_the_file_alone_does_not_make_another_cause() -> None:
    some = failure("x/a.nii", "a.nii is truncated."), failure("x/b.nii", "b.nii is truncated.")
    assert only(*some).more == 1


def test_a_name_within_a_word_stays() -> None:
    assert len(headings(failure("a", "A bad scan."), failure("b", "A ad scan."))) == 2


def test_another_verdict_is_another_cause() -> None:
    some = failure("a", NO_REFERENCE), failure("b", NO_REFERENCE, Verdict.ERROR)
    assert len(headings(*some)) == 2


def test_the_same_headline_is_one_cause_whatever_the_numbers() -> None:
    some = [failure(f"s{n}", f"A region of {n} ml.", headline="Noise-like region") for n in (3, 4)]
    assert only(*some).more == 1


def test_headlines_that_are_cut_are_told_apart_by_the_sentence() -> None:
    some = [failure(f"s{n}", f"A region of {n} ml.", headline="A region…") for n in (3, 4)]
    assert len(headings(*some)) == 2


def test_the_worst_verdict_comes_first() -> None:
    order = [Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.ERROR]
    causes = causes_of(failure(verdict, verdict, verdict) for verdict in order)
    assert [cause.first.finding.verdict for cause in causes] == ["FAIL", "ERROR", "INCONCLUSIVE"]


def test_a_shared_sentence_stands_once_before_the_scans() -> None:
    lines = only(*(failure(name, NO_REFERENCE) for name in ("a", "b"))).lines()
    assert lines == [f"FAIL: {NO_REFERENCE}", "  a", "  b"]


def test_five_scans_are_named_and_the_rest_is_counted() -> None:
    lines = only(*(failure(f"s{n}", NO_REFERENCE) for n in range(12))).lines()
    assert lines[-2:] == ["  s4", "  ... and 7 more"]


def test_a_verdict_on_the_release_is_named_so() -> None:
    assert only(failure("a", NO_REFERENCE), failure("", NO_REFERENCE)).lines()[-1] == (
        "  the release"
    )


def test_sentences_that_differ_are_left_to_the_report() -> None:
    some = [failure(f"s{n}", f"A region of {n} ml.", headline="Noise-like region") for n in (3, 4)]
    assert only(*some).lines() == ["FAIL: Noise-like region", "  s3", "  s4"]


def test_all_failures_are_counted() -> None:
    causes = causes_of([failure("a", "One."), failure("b", "One."), failure("c", "Two.")])
    assert counted(causes) == 3


def finding(reason: str, short: str) -> Finding:
    breach = Breach("score", 2.0, 1.0, Verdict.FAIL, source="set by the user")
    return Finding("x", "a", Verdict.FAIL, reason, headline=short, breaches=(breach,))


@pytest.mark.parametrize(
    ("reason", "short", "expected"),
    [
        ("Too bright.", "Too bright", ["FAIL: Too bright"]),
        ("Too bright. Export again.", "Too bright", ["FAIL: Too bright. Export again."]),
        ("It is too bright by far.", "It is too…", ["FAIL: It is too bright by far."]),
        ("The mean is high.", "Too bright", ["FAIL: Too bright", "The mean is high."]),
        ("Too bright.", "", ["FAIL: Too bright."]),
    ],
)
def test_headline_then_sentence_then_numbers(reason: str, short: str, expected: list[str]) -> None:
    numbers = "score 2, limit 1 (set by the user)"
    assert failure_text(finding(reason, short)).splitlines() == [*expected, numbers]


def test_a_finding_without_headline_leads_with_its_sentence() -> None:
    assert headline(finding("Too bright.", "")) == "FAIL: Too bright"


def test_what_junit_and_summary_show_of_a_failure_is_its_headline() -> None:
    shown = failure_repr(finding("The mean is high.", "Too bright"), "data/a.nii")
    assert (shown.reprcrash.message, shown.reprcrash.path) == ("FAIL: Too bright", "data/a.nii")


def test_a_failure_shows_its_text_and_no_traceback() -> None:
    it = finding("The mean is high.", "Too bright")
    assert str(failure_repr(it, "data/a.nii")).rstrip("\n") == failure_text(it)
