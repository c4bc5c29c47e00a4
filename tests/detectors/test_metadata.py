"""The metadata check: what the table of scans must hold, and that nothing unknown passes."""

from __future__ import annotations

import json
import math
import socket
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pytest_safegen import (
    Detector,
    Finding,
    NotJudged,
    Profile,
    ProfileError,
    ReleaseTarget,
    Scan,
    ScanRef,
    ScanTarget,
    UsageProblem,
    Verdict,
)
from pytest_safegen.data.table import facts_of
from pytest_safegen.judging.verdict import judge
from safegen_detectors.cohort import MetadataDetector

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"

Row = dict[str, Any]


def row_of(number: int, **changes: Any) -> Row:
    """A scan's facts; numbers vary a little from scan to scan."""
    wobble = number % 5
    row: Row = {
        "target": f"sub-{number:02}.nii.gz",
        "subject": f"sub-{number:02}",
        "session": None,
        "months": None,
        "modality": "T1w",
        "orientation": "RAS",
        "stored_type": "int16",
        "background_share": 0.6,
        "nonfinite_share": 0.0,
        "mask_volume_ml": None,
    }
    row |= {f"shape_{axis}": 80.0 + wobble for axis in "ijk"}
    row |= {f"spacing_{axis}": 2.0 for axis in "ijk"}
    names = ("minimum", "p1", "median", "mean", "std", "p99", "maximum")
    row |= {name: 10.0 * place + wobble for place, name in enumerate(names)}
    return row | changes


def ct_row(number: int, **changes: Any) -> Row:
    scale = {"minimum": -1024.0, "p1": -1000.0 + number % 5, "median": -700.0, "mean": -450.0}
    scale |= {"std": 450.0, "p99": 600.0, "maximum": 1200.0}
    return row_of(number, modality="ct", **{**scale, **changes})


def target_of(row: Row) -> ScanTarget:
    ref = ScanRef(str(row["target"]), str(row["subject"]), None, None, Path("x.nii.gz"))
    return ScanTarget(ref, None, facts=row)


def profile_of(rows: Sequence[Row]) -> Profile:
    fitted = MetadataDetector().fit([target_of(row) for row in rows], seed=0)
    facts = json.loads(json.dumps(fitted.facts))
    return Profile("metadata", "digest", {}, facts, np.zeros(0), "", len(rows))


MR = profile_of([row_of(number) for number in range(20)])
CT = profile_of([ct_row(number) for number in range(20)])


def finding_of(
    rows: Sequence[Row], profile: Profile | None = MR, *, suite: Path | None = None
) -> Finding:
    detector = MetadataDetector(suite=suite)
    score = detector.open(profile, device="cpu").score([ReleaseTarget(tuple(rows))])[0]
    return judge("metadata", "", score, rules=detector.rules)


def values_of(finding: Finding) -> dict[str, float]:
    return {measure.name: measure.value for measure in finding.measures}


def release(**changes: Any) -> list[Row]:
    """Four sane rows; the last one with the changes."""
    return [*(row_of(number) for number in (30, 31, 32)), row_of(33, **changes)]


def written(folder: Path, *expectations: Row) -> Path:
    path = folder / "suite.json"
    suite = {"name": "mine", "expectations": list(expectations), "meta": {}, "notes": None}
    path.write_text(json.dumps(suite))
    return path


def between(column: str, low: float | None, high: float | None, **more: Any) -> Row:
    kwargs = {"column": column, "min_value": low, "max_value": high, **more}
    return {"type": "expect_column_values_to_be_between", "kwargs": kwargs}


def test_it_is_a_detector() -> None:
    assert isinstance(MetadataDetector(), Detector)


def test_a_release_like_the_reference_passes() -> None:
    assert finding_of(release()).verdict is Verdict.PASS


def test_another_voxel_size_fails_by_its_expectation() -> None:
    finding = finding_of(release(spacing_i=3.0))
    assert finding.verdict is Verdict.FAIL
    assert values_of(finding)["critical.spacing_left_right_between"] == 0.25


def test_the_reason_names_the_scan_and_the_range() -> None:
    reason = finding_of(release(spacing_i=3.0)).reason
    assert reason.startswith("The voxel size left-right is outside 1.9")
    assert "in 1 scan: sub-33.nii.gz" in reason


def test_a_reason_names_three_scans_and_counts_the_rest() -> None:
    reason = finding_of([row_of(number, spacing_k=3.0) for number in range(40, 45)]).reason
    assert "5 scans: sub-40.nii.gz, sub-41.nii.gz, sub-42.nii.gz (and 2 more)" in reason


def test_the_failing_share_grows_with_the_failing_scans() -> None:
    shares = [
        values_of(finding_of([row_of(n, spacing_k=3.0 if n < bad else 2.0) for n in range(4)]))[
            "critical.spacing_foot_head_between"
        ]
        for bad in range(5)
    ]
    assert shares == [0, 0.25, 0.5, 0.75, 1]


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


def test_another_modality_fails() -> None:
    assert finding_of(release(modality="FLAIR")).verdict is Verdict.FAIL


@pytest.mark.parametrize("change", [{"orientation": "LPS"}, {"stored_type": "float32"}])
def test_a_harmless_difference_warns(change: Row) -> None:
    assert finding_of(release(**change)).verdict is Verdict.WARN


def test_another_scale_of_mr_warns() -> None:
    assert finding_of(release(p99=0.9, maximum=1.0, std=0.1, p1=0.0)).verdict is Verdict.WARN


def test_the_derived_suite_says_why_mr_intensities_only_warn() -> None:
    (found,) = [
        e for e in MR.facts["expectations"] if e["kwargs"]["column"] == "p99" and "notes" in e
    ]
    assert (found["severity"], "arbitrary" in found["notes"]) == ("warning", True)


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


def test_a_reference_without_rows_is_an_error() -> None:
    with pytest.raises(ProfileError, match="No reference scan can be read"):
        MetadataDetector().fit([], seed=0)


def test_a_profile_is_needed_unless_there_is_a_suite(tmp_path: Path) -> None:
    assert MetadataDetector().needs_profile
    assert not MetadataDetector(suite=tmp_path / "suite.json").needs_profile


def test_the_derived_suite_is_what_great_expectations_reads_back() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # importing it uses deprecated parts of Python
        import great_expectations as gx

        suite = gx.ExpectationSuite(name="x", expectations=MR.facts["expectations"])
    exported = suite.to_json_dict()["expectations"]
    assert [e["kwargs"]["column"] for e in exported] == [
        e["kwargs"]["column"] for e in MR.facts["expectations"]
    ]


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


def test_a_statistic_of_a_column_says_what_was_found(tmp_path: Path) -> None:
    kwargs = {"column": "spacing_i", "min_value": 3, "max_value": 4}
    suite = written(tmp_path, {"type": "expect_column_mean_to_be_between", "kwargs": kwargs})
    finding = finding_of(release(), suite=suite)
    assert list(values_of(finding).values()) == [1.0]
    assert "(found 2.0)" in finding.reason


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


@pytest.mark.parametrize(
    ("severity", "expected"),
    [("critical", Verdict.FAIL), ("warning", Verdict.WARN), ("info", Verdict.PASS)],
)
def test_the_severity_decides(tmp_path: Path, severity: str, expected: Verdict) -> None:
    suite = written(tmp_path, {**between("median", 0, 1), "severity": severity})
    assert finding_of(release(), suite=suite).verdict is expected


def test_two_expectations_on_one_column_have_two_names(tmp_path: Path) -> None:
    suite = written(tmp_path, between("median", 0, 1), between("median", 0, 1000))
    values = values_of(finding_of(release(), suite=suite))
    assert values == {"critical.median_between": 1.0, "critical.median_between__2": 0.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not json", "is not JSON"),
        ("[1]", "holds no list 'expectations'"),
        ('{"expectations": []}', "holds no list 'expectations'"),
        ('{"expectations": [{"expectation_type": "x"}]}', "no 'type' or no 'kwargs'"),
        ('{"expectations": [{"type": "expect_magic", "kwargs": {}}]}', "refuses"),
        ('{"expectations": [{"type": "expect_column_to_exist", "kwargs": {}}]}', "refuses"),
    ],
)
def test_a_file_that_is_no_suite_is_a_usage_problem(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "suite.json"
    path.write_text(text)
    with pytest.raises(UsageProblem, match=said):
        finding_of(release(), suite=path)


def test_a_missing_suite_is_a_usage_problem(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="cannot be read"):
        finding_of(release(), suite=tmp_path / "none.json")


def test_a_row_condition_is_refused_because_it_would_run_as_code(tmp_path: Path) -> None:
    code = "@pd.io.common.os.getcwd() == 1"
    expectation = between("median", 0, 1, row_condition=code, condition_parser="pandas")
    with pytest.raises(UsageProblem, match="run as code"):
        finding_of(release(), suite=written(tmp_path, expectation))


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


def real_rows(cohort: str, pattern: str, modality: str) -> list[Row]:
    paths = sorted((REAL / cohort).glob(pattern))
    if not paths:
        pytest.skip(f"the real scans of {cohort} are not part of the repository")
    order = np.random.default_rng(1).permutation(len(paths))
    return [dict(facts_of(read(paths[place], modality))) for place in order[:124]]


def read(path: Path, modality: str) -> Scan:
    image = nibabel.load(path)
    ref = ScanRef(path.name, path.name.split("_")[0], None, modality, path)
    voxels = np.asarray(image.dataobj, dtype=np.float32)
    return Scan(ref, voxels, image.affine, stored_type=str(image.get_data_dtype()))


@pytest.fixture(
    scope="module",
    params=[
        ("ixi-t1", "sub-*/anat/*_T1w.nii.gz", "T1w"),
        ("lidc-nodules", "sub-*/*_ct.nii.gz", "ct"),
    ],
    ids=lambda param: param[0],
)
def real_table(request: pytest.FixtureRequest) -> list[Row]:
    return real_rows(*request.param)


@pytest.mark.real
def test_unseen_real_scans_do_not_fail(real_table: list[Row]) -> None:
    finding = finding_of(real_table[80:], profile_of(real_table[:80]))
    assert not finding.verdict.blocks, finding.reason


@pytest.mark.real
def test_a_wrong_voxel_size_among_real_scans_fails(real_table: list[Row]) -> None:
    unseen = [dict(row) for row in real_table[80:]]
    unseen[0]["spacing_k"] *= 1.5
    finding = finding_of(unseen, profile_of(real_table[:80]))
    assert finding.verdict is Verdict.FAIL
    assert str(unseen[0]["target"]) in finding.reason
