"""Expectations are judged so that nothing unknown passes."""

from __future__ import annotations

import math
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from metadata_tables import CT, between, ct_row, finding_of, release, values_of, written

from pytest_safegen import (
    Verdict,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("unknown", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("column", ["spacing_j", "median", "p99"])
def test_an_unknown_essential_fact_fails(column: str, unknown: float | None) -> None:
    assert finding_of(release(**{column: unknown})).verdict is Verdict.FAIL


@pytest.mark.parametrize("unknown", [None, math.nan, math.inf])
def test_an_unknown_value_fails_the_range_too(unknown: float | None) -> None:
    values = values_of(finding_of([ct_row(1), ct_row(2, p1=unknown)], CT))
    assert values["critical.p1_between"] == 0.5


def test_a_column_that_is_missing_altogether_fails() -> None:
    rows = [{name: value for name, value in row.items() if name != "p99"} for row in release()]
    finding = finding_of(rows)
    assert finding.verdict is Verdict.FAIL
    assert "could not be judged" in finding.reason


def test_a_target_that_occurs_twice_fails() -> None:
    finding = finding_of(release(target="sub-30.nii.gz"))
    assert values_of(finding)["critical.target_unique"] == 0.5


def test_months_that_are_unknown_are_no_fault() -> None:
    assert finding_of(release(months=None, session=None)).verdict is Verdict.PASS


def test_months_that_a_user_asks_for_must_be_known(tmp_path: Path) -> None:
    suite = written(tmp_path, between("months", 0, 60))
    finding = finding_of(release(months=3.0), suite=suite)
    assert finding.verdict is Verdict.FAIL
    assert "3 of them without a value" in finding.reason


@pytest.mark.parametrize(("mostly", "expected"), [(0.7, Verdict.PASS), (0.8, Verdict.FAIL)])
def test_unknown_values_count_against_mostly(
    tmp_path: Path, mostly: float, expected: Verdict
) -> None:
    suite = written(tmp_path, between("median", 0, 1000, mostly=mostly))
    assert finding_of(release(median=None), suite=suite).verdict is expected


def test_an_expectation_that_cannot_be_computed_fails_and_says_so(tmp_path: Path) -> None:
    suite = written(tmp_path, between("no_such_column", 0, 1))
    finding = finding_of(release(), suite=suite)
    assert values_of(finding) == {"critical.no_such_column_between": 1.0}
    assert "could not be judged" in finding.reason


def test_numbers_asked_of_words_fail(tmp_path: Path) -> None:
    suite = written(tmp_path, between("orientation", 0, 1))
    assert finding_of(release(), suite=suite).verdict is Verdict.FAIL


def test_a_statistic_of_a_partly_unknown_column_fails(tmp_path: Path) -> None:
    kwargs = {"column": "months", "min_value": 0, "max_value": 9}
    suite = written(tmp_path, {"type": "expect_column_mean_to_be_between", "kwargs": kwargs})
    assert finding_of(release(months=3.0), suite=suite).verdict is Verdict.FAIL


def test_columns_that_must_be_unknown_may_be(tmp_path: Path) -> None:
    kwargs = {"column": "months"}
    suite = written(tmp_path, {"type": "expect_column_values_to_be_null", "kwargs": kwargs})
    assert finding_of(release(), suite=suite).verdict is Verdict.PASS


def test_the_number_of_scans_can_be_asked_for(tmp_path: Path) -> None:
    kwargs = {"min_value": 10}
    suite = written(tmp_path, {"type": "expect_table_row_count_to_be_between", "kwargs": kwargs})
    assert finding_of(release(), suite=suite).verdict is Verdict.FAIL


def test_no_connection_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert finding_of(release()).verdict is Verdict.PASS


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    finding_of(release(spacing_i=3.0))
    assert capfd.readouterr() == ("", "")


@settings(deadline=None, max_examples=4)
@given(st.permutations(range(4)))
def test_the_order_of_the_scans_does_not_matter(order: list[int]) -> None:
    rows = release(spacing_i=3.0, median=None)
    shuffled = [rows[place] for place in order]
    assert values_of(finding_of(shuffled)) == values_of(finding_of(rows))
