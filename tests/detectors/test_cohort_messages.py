"""What a failed expectation says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from metadata_tables import Row, between, finding_of, release, row_of, values_of, written

from safegen_detectors.cohort.judge import Outcome
from safegen_detectors.cohort.messages import Failure

pytestmark = pytest.mark.slow


def test_the_reason_names_the_scan_and_the_range() -> None:
    reason = finding_of(release(spacing_i=3.0)).reason
    assert reason.startswith("The voxel size left-right is outside 1.9")
    assert "in 1 scan: sub-33.nii.gz" in reason


def test_a_reason_names_three_scans_and_counts_the_rest() -> None:
    reason = finding_of([row_of(number, spacing_k=3.0) for number in range(40, 45)]).reason
    assert "5 scans: sub-40.nii.gz, sub-41.nii.gz, sub-42.nii.gz (and 2 more)" in reason


def test_a_statistic_of_a_column_says_what_was_found(tmp_path: Path) -> None:
    kwargs = {"column": "spacing_i", "min_value": 3, "max_value": 4}
    suite = written(tmp_path, {"type": "expect_column_mean_to_be_between", "kwargs": kwargs})
    finding = finding_of(release(), suite=suite)
    assert list(values_of(finding).values()) == [1.0]
    assert "(found 2.0)" in finding.reason


def test_two_expectations_on_one_column_have_two_names(tmp_path: Path) -> None:
    suite = written(tmp_path, between("median", 0, 1), between("median", 0, 1000))
    values = values_of(finding_of(release(), suite=suite))
    assert values == {"critical.median_between": 1.0, "critical.median_between__2": 0.0}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"spacing_i": 3.0}, "1 of 4 scans outside the reference's range of voxel size left-right"),
        ({"modality": "FLAIR"}, "1 of 4 scans with another modality than the reference"),
        ({"stored_type": None}, "1 of 4 scans without a known stored type"),
        ({"target": "sub-30.nii.gz"}, "2 of 4 scans with a target that is not unique"),
    ],
)
def test_headlines_count_the_scans(changes: Row, expected: str) -> None:
    finding = finding_of(release(**changes))
    headlines = {measure.headline for measure in finding.measures if measure.value}
    assert expected in headlines


def test_the_headline_on_a_users_range_says_so(tmp_path: Path) -> None:
    suite = written(tmp_path, between("months", 0, 60))
    finding = finding_of([row_of(1, months=99.0), row_of(2, months=1.0)], suite=suite)
    assert finding.headline == "1 of 2 scans outside the suite's range of months"


def test_the_headline_on_a_column_that_is_missing_says_so(tmp_path: Path) -> None:
    suite = written(tmp_path, between("no_such_column", 0, 1))
    finding = finding_of(release(), suite=suite)
    assert finding.headline == "'no_such_column_between' could not be judged"


def test_every_measure_has_a_message_and_a_headline() -> None:
    measures = finding_of(release(spacing_i=3.0)).measures
    assert [one.name for one in measures if not one.message or not one.headline] == []


TYPES = (
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_not_be_null",
    "expect_column_values_to_be_unique",
    "expect_column_mean_to_be_between",
    "expect_table_row_count_to_be_between",
)


@given(
    type_=st.sampled_from(TYPES),
    column=st.text(min_size=1, max_size=120),
    rows=st.sets(st.integers(0, 39)),
    problem=st.text(max_size=200),
)
def test_headlines_have_at_most_90_characters(
    type_: str, column: str, rows: set[int], problem: str
) -> None:
    kwargs = {"column": column, "min_value": 0, "max_value": 1, "value_set": [column] * 9}
    outcome = Outcome(False, tuple(rows), problem=problem)
    targets = [f"sub-{number}" for number in range(40)]
    failure = Failure({"type": type_, "kwargs": kwargs}, outcome, targets)
    assert 0 < len(failure.headline()) <= 90
