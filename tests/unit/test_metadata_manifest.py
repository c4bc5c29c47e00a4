"""What safegen.tsv says overrides every guess."""

from pathlib import Path

import pytest

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.core.scan import Release
from pytest_safegen.data.discover import discover


def release(root: Path, *lines: str, files: tuple[str, ...] = ("a.nii.gz", "b.nii.gz")) -> Release:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "safegen.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return discover(root)


def test_a_row_names_subject_session_months_and_modality(tmp_path: Path) -> None:
    head = "path\tsubject\tsession\tmonths\tmodality"
    (ref,) = release(tmp_path, head, "a.nii.gz\tanna\tfirst\t1.5\tT1w").refs
    assert (ref.subject, ref.session, ref.months, ref.modality) == ("anna", "first", 1.5, "T1w")


def test_files_of_one_subject_are_a_series_in_order_of_months(tmp_path: Path) -> None:
    found = release(tmp_path, "path\tsubject\tmonths", "a.nii.gz\tx\t6", "b.nii.gz\tx\t0")
    assert [ref.target for ref in found.series[0].refs] == ["b.nii.gz", "a.nii.gz"]


def test_files_that_are_not_listed_are_left_out(tmp_path: Path) -> None:
    found = release(tmp_path, "path", "a.nii.gz")
    assert [(left.path.name, left.reason) for left in found.left_out] == [
        ("b.nii.gz", "not listed in safegen.tsv")
    ]


def test_the_manifest_itself_is_named_in_the_release(tmp_path: Path) -> None:
    assert release(tmp_path, "path", "a.nii.gz").manifest == tmp_path / "safegen.tsv"


def test_a_listed_file_that_is_missing_is_still_a_scan(tmp_path: Path) -> None:
    assert [ref.target for ref in release(tmp_path, "path", "gone.nii.gz").refs] == ["gone.nii.gz"]


def test_a_listed_mask_is_a_scan_after_all(tmp_path: Path) -> None:
    found = release(tmp_path, "path", "a_mask.nii.gz", files=("a_mask.nii.gz",))
    assert ([ref.target for ref in found.refs], found.left_out) == (["a_mask.nii.gz"], ())


def test_free_columns_are_kept_as_labels(tmp_path: Path) -> None:
    head = "path\tpathology\tdoubling_days\tcolour"
    (ref,) = release(tmp_path, head, "a.nii.gz\tglioma\tn/a\tred").refs
    assert ref.labels == {"pathology": "glioma", "colour": "red"}


def test_the_listed_mask_is_taken(tmp_path: Path) -> None:
    found = release(tmp_path, "path\tmask", "a.nii.gz\tb.nii.gz")
    assert found.refs[0].mask == tmp_path / "b.nii.gz"
    assert found.left_out[0].reason == "the mask of a.nii.gz"


def test_no_mask_is_guessed_where_the_manifest_has_a_column_for_it(tmp_path: Path) -> None:
    files = ("a.nii.gz", "a_mask.nii.gz")
    assert release(tmp_path, "path\tmask", "a.nii.gz\tn/a", files=files).refs[0].mask is None


@pytest.mark.parametrize("mask", ["a_mask.nii.gz", "a_lesion.nii.gz"])
def test_masks_are_guessed_without_a_column_for_them(tmp_path: Path, mask: str) -> None:
    found = release(tmp_path, "path", "a.nii.gz", files=("a.nii.gz", mask))
    assert found.refs[0].mask == tmp_path / mask


def test_an_unknown_session_is_not_guessed(tmp_path: Path) -> None:
    name = "sub-01_ses-1_T1w.nii.gz"
    (ref,) = release(tmp_path, "path\tsession", f"{name}\tn/a", files=(name,)).refs
    assert (ref.subject, ref.session) == ("sub-01", None)


def test_a_listed_dicom_folder_is_a_scan(tmp_path: Path) -> None:
    found = release(tmp_path, "path\tsubject", "p/s1\tanna", files=("p/s1/1.dcm", "p/s2/1.dcm"))
    assert [(ref.target, ref.subject) for ref in found.refs] == [("p/s1", "anna")]


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / "safegen.tsv").write_bytes("\ufeffpath\tsubject\r\na.nii\tanna\r\n".encode())
    assert discover(tmp_path).refs[0].subject == "anna"


@pytest.mark.parametrize(
    "path", ["../x.nii", "/etc/passwd", "a/../../x.nii", "C:/x.nii", ".", "\\\\host\\x.nii"]
)
@pytest.mark.parametrize("column", ["path", "mask"])
def test_a_path_that_leaves_the_root_is_refused(tmp_path: Path, path: str, column: str) -> None:
    cells = {"path": "a.nii.gz", "mask": "b.nii.gz", column: path}
    with pytest.raises(UsageProblem, match=r"safegen\.tsv, line 2: .* inside the data folder"):
        release(tmp_path, "path\tmask", f"{cells['path']}\t{cells['mask']}")


@pytest.mark.parametrize("months", ["six", "nan", "inf", "1,5"])
def test_months_that_are_no_number_are_refused(tmp_path: Path, months: str) -> None:
    with pytest.raises(UsageProblem, match=f"line 2, months: '{months}' is not a number"):
        release(tmp_path, "path\tmonths", f"a.nii.gz\t{months}")


def test_a_path_listed_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"line 3: 'a\.nii\.gz' is already on line 2"):
        release(tmp_path, "path", "a.nii.gz", "./a.nii.gz")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("file", "a.nii.gz"), "no column named path"),
        (("path\tsubject", "a.nii.gz"), "line 2: 1 cells"),
        (("path\tpath", "a\tb"), "names a column twice"),
        (("path\tsubject", "n/a\tx"), "line 2: there is no path"),
        (("",), "is empty"),
    ],
)
def test_a_malformed_manifest_is_refused(
    tmp_path: Path, lines: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageProblem, match=message):
        release(tmp_path, *lines)


def test_a_manifest_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "safegen.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageProblem, match="cannot be read as text"):
        discover(tmp_path)
