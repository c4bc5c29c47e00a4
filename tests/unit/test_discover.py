"""Series: their order in time, and what they are called."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.core.scan import ScanRef
from pytest_safegen.data.discover import discover, series_of
from pytest_safegen.data.names import natural_key


def ref(target: str, subject: str, **more: float | str | None) -> ScanRef:
    return ScanRef(target, subject, more.get("session"), None, Path(target), more.get("months"))  # type: ignore[arg-type]


def bids(root: Path, table: str, name: str = "sub-01/sub-01_sessions.tsv") -> list[float | None]:
    """The months of two sessions, with a sessions.tsv of the given text."""
    for session in ("ses-1", "ses-2"):
        path = root / "sub-01" / session / "anat" / f"sub-01_{session}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        path.touch()
    (root / name).write_text(table)
    return [ref.months for ref in discover(root).refs]


def test_months_are_taken_from_the_sessions_file(tmp_path: Path) -> None:
    assert bids(tmp_path, "session_id\tmonths\nses-1\t0\nses-2\t6.5\n") == [0.0, 6.5]


def test_days_become_months(tmp_path: Path) -> None:
    assert bids(tmp_path, "session_id\tdays\nses-1\t0\nses-2\t30.4375\n") == [0.0, 1.0]


def test_acquisition_times_count_from_the_first(tmp_path: Path) -> None:
    table = "session_id\tacq_time\nses-2\t2020-01-31T10:30:00\nses-1\t2020-01-01\n"
    assert bids(tmp_path, table) == [0.0, pytest.approx(30.4375 / 30.4375)]


def test_a_short_name_of_the_sessions_file_is_read(tmp_path: Path) -> None:
    table = "session_id\tmonths\n1\t0\n2\tn/a\n"
    assert bids(tmp_path, table, "sub-01/sessions.tsv") == [0.0, None]


def test_a_sessions_file_in_the_root_goes_by_participant(tmp_path: Path) -> None:
    table = "participant_id\tsession_id\tmonths\nsub-02\tses-1\t9\nsub-01\tses-1\t1\n"
    assert bids(tmp_path, table, "sessions.tsv") == [1.0, None]


@pytest.mark.parametrize(
    "table", ["session_id\tmonths\nses-1\tx\n", "session_id\tacq_time\nses-1\tx\n"]
)
def test_a_time_that_is_none_is_refused_with_its_line(tmp_path: Path, table: str) -> None:
    with pytest.raises(UsageProblem, match=r"sub-01_sessions\.tsv, line 2: 'x' is not"):
        bids(tmp_path, table)


def test_a_sessions_file_without_sessions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="there is no session_id"):
        bids(tmp_path, "months\n1\n")


def test_an_empty_sessions_file_says_nothing(tmp_path: Path) -> None:
    assert bids(tmp_path, "") == [None, None]


def test_months_come_before_names_in_the_order() -> None:
    (series,) = series_of([ref("a", "x", months=6.0), ref("b", "x", months=0.0), ref("c", "x")])
    assert [one.target for one in series.refs] == ["b", "a", "c"]


def test_sessions_without_months_come_in_natural_order() -> None:
    (series,) = series_of([ref("a", "x", session="s10"), ref("b", "x", session="s9")])
    assert [one.session for one in series.refs] == ["s9", "s10"]


def test_a_series_is_called_by_its_subjects_folder() -> None:
    found = series_of([ref("d/sub-01/anat/a", "sub-01"), ref("d/sub-02/anat/a", "sub-02")])
    assert [series.target for series in found] == ["d/sub-01", "d/sub-02"]


def test_a_folder_with_another_subjects_scan_calls_no_series() -> None:
    found = series_of([ref("p1/a", "p1"), ref("p1/b", "other")])
    assert [series.target for series in found] == ["other", "p1"]


def test_two_series_of_one_name_are_refused() -> None:
    with pytest.raises(UsageProblem, match="would both get the name 'd/p'"):
        series_of([ref("d/p/a", "p"), ref("x", "d/p")])


@given(st.lists(st.integers(min_value=0), unique=True))
def test_numbered_names_sort_by_their_numbers(numbers: list[int]) -> None:
    names = sorted((f"scan{n}.nii.gz" for n in numbers), key=natural_key)
    assert names == [f"scan{n}.nii.gz" for n in sorted(numbers)]


@given(st.lists(st.text(alphabet="aB01.-ß٣"), unique=True))
def test_natural_order_tells_all_names_apart(names: list[str]) -> None:
    assert len({natural_key(name) for name in names}) == len(sorted(names, key=natural_key))
