"""Suites of expectations, derived or read."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from metadata_tables import MR, between, finding_of, release, written

from pytest_safegen import (
    ProfileError,
    UsageProblem,
)
from safegen_detectors.cohort import MetadataDetector

pytestmark = pytest.mark.slow


def test_the_derived_suite_says_why_mr_intensities_only_warn() -> None:
    (found,) = [
        e for e in MR.facts["expectations"] if e["kwargs"]["column"] == "p99" and "notes" in e
    ]
    assert (found["severity"], "arbitrary" in found["notes"]) == ("warning", True)


def test_a_reference_without_rows_is_an_error() -> None:
    with pytest.raises(ProfileError, match="No reference scan can be read"):
        MetadataDetector().fit([], seed=0)


def test_the_derived_suite_is_what_great_expectations_reads_back() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # importing it uses deprecated parts of Python
        import great_expectations as gx

        suite = gx.ExpectationSuite(name="x", expectations=MR.facts["expectations"])
    exported = suite.to_json_dict()["expectations"]
    assert [e["kwargs"]["column"] for e in exported] == [
        e["kwargs"]["column"] for e in MR.facts["expectations"]
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("not json", "is not JSON"),
        ("[1]", "holds no list 'expectations'"),
        ('{"expectations": []}', "holds no list 'expectations'"),
        ('{"expectations": [{"expectation_type": "x"}]}', "no 'type' or no 'kwargs'"),
        ('{"expectations": [{"type": "expect_magic", "kwargs": {}}]}', "refuses"),
        ('{"expectations": [{"type": "expect_column_to_exist", "kwargs": {}}]}', "refuses"),
    ],
)
def test_a_file_that_is_no_suite_is_a_usage_problem(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "suite.json"
    path.write_text(text)
    with pytest.raises(UsageProblem, match=expected):
        finding_of(release(), suite=path)


def test_a_missing_suite_is_a_usage_problem(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="cannot be read"):
        finding_of(release(), suite=tmp_path / "none.json")


def test_a_row_condition_is_refused_because_it_would_run_as_code(tmp_path: Path) -> None:
    code = "@pd.io.common.os.getcwd() == 1"
    expectation = between("median", 0, 1, row_condition=code, condition_parser="pandas")
    with pytest.raises(UsageProblem, match="run as code"):
        finding_of(release(), suite=written(tmp_path, expectation))
