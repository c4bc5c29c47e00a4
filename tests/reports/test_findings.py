"""Headlines lead, and findings that share one are one group."""

from __future__ import annotations

import pytest

from pytest_safegen import Finding, Verdict
from safegen_reports.findings import explanation_of, headline_groups, headline_of, limit_ratio


def _finding(target: str, verdict: Verdict, reason: str, score: float = 2.0) -> Finding:
    return Finding("anomaly", target, verdict, reason, score, 1.0)


def test_a_finding_without_a_headline_is_headed_by_its_first_sentence() -> None:
    assert headline_of(_finding("a", Verdict.FAIL, "It is odd. It is red.")) == "It is odd"


def test_a_pass_has_no_headline() -> None:
    assert headline_of(_finding("a", Verdict.PASS, "All is well.")) == ""


def test_a_sentence_that_repeats_the_headline_is_left_out() -> None:
    assert explanation_of(_finding("a", Verdict.FAIL, "It is odd.")) == ""


def test_findings_are_grouped_by_verdict_and_headline_worst_verdict_first() -> None:
    found = headline_groups(
        [
            _finding("a", Verdict.WARN, "It is odd."),
            _finding("b", Verdict.FAIL, "It is odd."),
            _finding("c", Verdict.WARN, "It is odd."),
            _finding("d", Verdict.PASS, "All is well."),
        ]
    )
    assert [(group.verdict, group.title) for group in found] == [
        (Verdict.FAIL, "It is odd"),
        (Verdict.WARN, "It is odd: 2 findings"),
    ]


@pytest.mark.parametrize(("score", "limit"), [(None, 1.0), (2.0, None), (2.0, 0.0), (2.0, -1.0)])
def test_without_a_positive_limit_the_ratio_is_zero(score, limit) -> None:
    assert limit_ratio(Finding("a", "b", Verdict.FAIL, "Odd.", score, limit)) == 0.0
