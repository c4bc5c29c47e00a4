"""The findings of a run become the verdict on the release."""

from __future__ import annotations

import pytest

from pytest_safegen.core.finding import Finding, Verdict
from pytest_safegen.judging.release import conclude


def finding(verdict: Verdict, check: str = "a") -> Finding:
    return Finding(check, "sub-01", verdict, "why")


@pytest.mark.parametrize("worst", list(Verdict))
def test_the_worst_finding_decides_on_the_release(worst: Verdict) -> None:
    assert conclude([finding(Verdict.PASS), finding(worst)], [])[0] is worst


def test_nothing_judged_is_inconclusive() -> None:
    assert conclude([], []) == (Verdict.INCONCLUSIVE, ("nothing was judged",))


def test_a_break_in_the_accounting_is_an_error() -> None:
    assert conclude([finding(Verdict.PASS)], ["lost one"]) == (Verdict.ERROR, ("lost one",))


def test_a_break_in_the_accounting_does_not_hide_a_failure() -> None:
    assert conclude([finding(Verdict.FAIL)], ["lost one"])[0] is Verdict.FAIL


def test_reasons_are_problems_first_then_from_bad_to_good() -> None:
    some = [finding(Verdict.WARN), finding(Verdict.FAIL), finding(Verdict.PASS)]
    assert conclude(some, ["lost one"])[1] == ("lost one", "1 FAIL (a 1)", "1 WARN (a 1)")


def test_reasons_count_the_checks() -> None:
    some = [finding(Verdict.FAIL, check) for check in "bab"]
    assert conclude(some, [])[1] == ("3 FAIL (a 1, b 2)",)


def test_a_part_of_the_checks_is_never_a_pass() -> None:
    assert conclude([finding(Verdict.PASS)], [], partial="a part") == (
        Verdict.INCONCLUSIVE,
        ("a part",),
    )


def test_a_failure_in_a_part_of_the_checks_is_a_failure() -> None:
    assert conclude([finding(Verdict.FAIL)], [], partial="a part")[0] is Verdict.FAIL
