"""The metadata check: a release's table must look like the reference's."""

from __future__ import annotations

from pathlib import Path

import pytest
from metadata_tables import (
    CT,
    Row,
    between,
    ct_row,
    finding_of,
    release,
    row_of,
    values_of,
    written,
)

from pytest_safegen import (
    Detector,
    NotJudged,
    Verdict,
)
from safegen_detectors.cohort import MetadataDetector

pytestmark = pytest.mark.slow


def test_it_is_a_detector() -> None:
    assert isinstance(MetadataDetector(), Detector)


def test_a_release_like_the_reference_passes() -> None:
    assert finding_of(release()).verdict is Verdict.PASS


def test_another_voxel_size_fails_by_its_expectation() -> None:
    finding = finding_of(release(spacing_i=3.0))
    assert finding.verdict is Verdict.FAIL
    assert values_of(finding)["critical.spacing_left_right_between"] == 0.25


def test_the_failing_share_grows_with_the_failing_scans() -> None:
    shares = [
        values_of(finding_of([row_of(n, spacing_k=3.0 if n < bad else 2.0) for n in range(4)]))[
            "critical.spacing_foot_head_between"
        ]
        for bad in range(5)
    ]
    assert shares == [0, 0.25, 0.5, 0.75, 1]


def test_another_modality_fails() -> None:
    assert finding_of(release(modality="FLAIR")).verdict is Verdict.FAIL


@pytest.mark.parametrize("change", [{"orientation": "LPS"}, {"stored_type": "float32"}])
def test_a_harmless_difference_warns(change: Row) -> None:
    assert finding_of(release(**change)).verdict is Verdict.WARN


def test_another_scale_of_mr_warns() -> None:
    assert finding_of(release(p99=0.9, maximum=1.0, std=0.1, p1=0.0)).verdict is Verdict.WARN


def test_ct_like_the_reference_passes() -> None:
    assert finding_of([ct_row(1), ct_row(2)], CT).verdict is Verdict.PASS


def test_ct_that_lost_hounsfield_units_fails() -> None:
    unit = {"minimum": 0.0, "p1": 0.01, "median": 0.1, "mean": 0.2, "std": 0.2, "p99": 0.9}
    finding = finding_of([ct_row(1), ct_row(2, **unit, maximum=1.0)], CT)
    assert finding.verdict is Verdict.FAIL
    assert values_of(finding)["critical.std_between"] == 0.5


def test_an_empty_table_is_not_judged() -> None:
    with pytest.raises(NotJudged, match="empty"):
        finding_of([])


def test_no_reference_and_no_suite_is_not_judged() -> None:
    with pytest.raises(NotJudged, match="reference or a suite"):
        finding_of(release(), None)


def test_a_profile_is_needed_unless_there_is_a_suite(tmp_path: Path) -> None:
    assert MetadataDetector().needs_profile
    assert not MetadataDetector(suite=tmp_path / "suite.json").needs_profile


def test_a_users_suite_takes_the_place_of_the_derived_one(tmp_path: Path) -> None:
    suite = written(tmp_path, between("median", 0, 1))
    assert list(values_of(finding_of(release(), suite=suite))) == ["critical.median_between"]


def test_a_users_suite_needs_no_profile(tmp_path: Path) -> None:
    suite = written(tmp_path, between("spacing_i", 1, 3))
    assert finding_of(release(), None, suite=suite).verdict is Verdict.PASS


def test_a_users_free_column_is_judged(tmp_path: Path) -> None:
    kwargs = {"column": "pathology", "value_set": ["glioma"]}
    suite = written(tmp_path, {"type": "expect_column_values_to_be_in_set", "kwargs": kwargs})
    rows = [row_of(1, pathology="glioma"), row_of(2, pathology="cyst")]
    finding = finding_of(rows, suite=suite)
    assert "The pathology is not one of glioma in 1 scan: sub-02.nii.gz" in finding.reason


@pytest.mark.parametrize(
    ("severity", "expected"),
    [("critical", Verdict.FAIL), ("warning", Verdict.WARN), ("info", Verdict.PASS)],
)
def test_the_severity_decides(tmp_path: Path, severity: str, expected: Verdict) -> None:
    suite = written(tmp_path, {**between("median", 0, 1), "severity": severity})
    assert finding_of(release(), suite=suite).verdict is expected
