"""What is searched, what counts as DICOM, and what is left out with which reason."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.core.scan import Release
from pytest_safegen.data.discover import discover


def put(path: Path, content: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def dicom(modality: bytes = b"CT", *, implicit: bool = False) -> bytes:
    """The start of a DICOM file: transfer syntax, then the modality."""
    syntax = b"1.2.840.10008.1.2" + (b"\0" if implicit else b".1\0"[:3])
    syntax += b"\0" * (len(syntax) % 2)
    first = b"\x02\x00\x10\x00UI" + struct.pack("<H", len(syntax)) + syntax
    kind = (
        struct.pack("<I", len(modality)) if implicit else b"CS" + struct.pack("<H", len(modality))
    )
    return b"\0" * 128 + b"DICM" + first + b"\x08\x00\x60\x00" + kind + modality


def targets(release: Release) -> list[str]:
    return [ref.target for ref in release.refs]


def why(release: Release, name: str) -> str:
    return next(left.reason for left in release.left_out if left.path.name == name)


def test_a_folder_of_dicom_is_one_scan(tmp_path: Path) -> None:
    for n in range(3):
        put(tmp_path / "anna" / f"{n}.dcm", dicom())
    assert targets(discover(tmp_path)) == ["anna"]


def test_dicom_without_an_ending_is_known_by_its_magic(tmp_path: Path) -> None:
    put(tmp_path / "anna" / "LICENSE", b"free")
    put(tmp_path / "anna" / "1.2.840.5", dicom())
    assert targets(discover(tmp_path)) == ["anna"]


def test_other_files_without_an_ending_are_no_scan(tmp_path: Path) -> None:
    put(tmp_path / "anna" / "LICENSE", b"free" * 100)
    assert targets(discover(tmp_path)) == []


@pytest.mark.parametrize("implicit", [True, False])
def test_the_modality_of_dicom_is_known(tmp_path: Path, implicit: bool) -> None:
    put(tmp_path / "anna" / "1.dcm", dicom(b"MR", implicit=implicit))
    assert discover(tmp_path).refs[0].modality == "MR"


def test_a_dicom_file_that_breaks_off_has_no_known_modality(tmp_path: Path) -> None:
    put(tmp_path / "anna" / "1.dcm", dicom()[:-3])
    assert discover(tmp_path).refs[0].modality is None


def test_dicom_of_structures_is_no_scan(tmp_path: Path) -> None:
    put(tmp_path / "anna" / "plan" / "1.dcm", dicom(b"RTSTRUCT"))
    assert "RTSTRUCT" in why(discover(tmp_path), "plan")


@pytest.mark.parametrize("kind", [b"SEG", b"RTSTRUCT"])
def test_a_series_is_found_where_another_object_sorts_first(tmp_path: Path, kind: bytes) -> None:
    put(tmp_path / "anna" / "0.dcm", dicom(kind))
    for n in range(1, 4):
        put(tmp_path / "anna" / f"{n}.dcm", dicom())
    release = discover(tmp_path)
    assert [(ref.target, ref.modality) for ref in release.refs] == [("anna", "CT")]
    assert kind.decode() in why(release, "0.dcm")


def test_dicom_folders_name_subject_and_session(tmp_path: Path) -> None:
    for session in ("2020", "2021"):
        for patient in ("anna", "ben"):
            put(tmp_path / patient / session / "ct" / "1.dcm", dicom())
    found = [(ref.subject, ref.session) for ref in discover(tmp_path).refs]
    assert found == [(who, when) for who in ("anna", "ben") for when in ("2020", "2021")]


def test_dicom_in_the_root_itself_is_a_usage_problem(tmp_path: Path) -> None:
    put(tmp_path / "1.dcm", dicom())
    with pytest.raises(UsageProblem, match=r"holds DICOM files itself, such as '1\.dcm'"):
        discover(tmp_path)


def test_a_lone_dicomdir_is_no_scan(tmp_path: Path) -> None:
    put(tmp_path / "DICOMDIR", dicom())
    assert targets(discover(tmp_path)) == []


@pytest.mark.parametrize("folder", [".hidden", "build", "dist", "node_modules", "venv"])
def test_folders_that_pytest_would_skip_are_searched(tmp_path: Path, folder: str) -> None:
    put(tmp_path / folder / "a.nii.gz")
    assert targets(discover(tmp_path)) == [f"{folder}/a.nii.gz"]


@pytest.mark.parametrize("folder", [".git", "__MACOSX"])
def test_folders_of_other_programs_are_left_out(tmp_path: Path, folder: str) -> None:
    put(tmp_path / folder / "a.nii.gz")
    release = discover(tmp_path)
    assert (targets(release), [left.path.name for left in release.left_out]) == ([], [folder])


def test_an_appledouble_file_is_left_out(tmp_path: Path) -> None:
    put(tmp_path / "._a.nii.gz")
    assert "AppleDouble" in why(discover(tmp_path), "._a.nii.gz")


def test_a_sidecar_is_left_out(tmp_path: Path) -> None:
    put(tmp_path / "a.nii.gz")
    put(tmp_path / "a.json")
    assert why(discover(tmp_path), "a.json") == "a sidecar of a scan"


@pytest.mark.parametrize("name", ["a.mgz", "a.nii.bz2", "a.img"])
def test_an_image_in_another_format_is_named_with_the_way_out(tmp_path: Path, name: str) -> None:
    put(tmp_path / name)
    assert "convert it to .nii.gz" in why(discover(tmp_path), name)


def test_a_report_folder_is_left_out(tmp_path: Path) -> None:
    for name in ("results.jsonl", "gate.json", "heatmaps/a.nii.gz"):
        put(tmp_path / "out" / name)
    assert why(discover(tmp_path), "out") == "a report folder"


def test_a_folder_to_skip_is_not_searched(tmp_path: Path) -> None:
    put(tmp_path / "out" / "a.nii.gz")
    put(tmp_path / "b.nii.gz")
    assert targets(discover(tmp_path, skip=[tmp_path / "out", tmp_path / "none"])) == ["b.nii.gz"]


def test_every_file_is_a_scan_or_left_out(tmp_path: Path) -> None:
    names = ("a.nii.gz", "a_mask.nii.gz", "a.json", "x/y.txt", "x/z_T1w.nii", "derivatives/q.nii")
    files = {put(tmp_path / name) for name in names}
    release = discover(tmp_path)
    assert {ref.path for ref in release.refs} | {left.path for left in release.left_out} == files


def test_a_linked_file_is_a_scan(tmp_path: Path) -> None:
    put(tmp_path / "store" / "key")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.nii.gz").symlink_to(tmp_path / "store" / "key")
    assert targets(discover(tmp_path / "data")) == ["a.nii.gz"]


def test_a_link_that_leads_nowhere_is_still_a_scan(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").symlink_to(tmp_path / "nowhere")
    assert targets(discover(tmp_path)) == ["a.nii.gz"]


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    put(tmp_path / "p1" / "a.nii.gz")
    (tmp_path / "p1" / "again").symlink_to(tmp_path)
    assert targets(discover(tmp_path)) == ["p1/a.nii.gz"]


def test_a_link_to_itself_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to(tmp_path / "x")
    assert why(discover(tmp_path), "x") == "not an image format that is read"


def test_a_folder_keeps_its_own_name_where_a_link_leads_to_it(tmp_path: Path) -> None:
    put(tmp_path / "z" / "s.nii.gz")
    (tmp_path / "a").symlink_to(tmp_path / "z")
    assert targets(discover(tmp_path)) == ["z/s.nii.gz"]


def test_a_linked_folder_outside_is_searched(tmp_path: Path) -> None:
    put(tmp_path / "store" / "s.nii.gz")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "p1").symlink_to(tmp_path / "store")
    assert targets(discover(tmp_path / "data")) == ["p1/s.nii.gz"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux allows such names")
def test_a_name_that_is_not_unicode_is_a_usage_problem(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.nii.gz")).touch()
    with pytest.raises(UsageProblem, match="not valid UTF-8"):
        discover(tmp_path)


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="this user may list every folder"
)
def test_a_folder_that_cannot_be_listed_is_a_usage_problem(tmp_path: Path) -> None:
    closed = put(tmp_path / "closed" / "a.nii.gz").parent
    closed.chmod(0)
    with pytest.raises(UsageProblem, match="cannot be listed"):
        discover(tmp_path)
    closed.chmod(0o700)


@pytest.mark.parametrize(("name", "imported"), [("a.nii.gz", False), ("anna/1.dcm", True)])
def test_pydicom_is_imported_only_where_dicom_lies(
    tmp_path: Path, name: str, imported: bool
) -> None:
    put(tmp_path / name, dicom())
    put(tmp_path / "README", b"Not a scan.")
    code = (
        "import sys; from pathlib import Path; from pytest_safegen.data.discover import discover\n"
        "assert len(discover(Path(sys.argv[1])).refs) == 1\n"
        "print('pydicom' in sys.modules, 'numpy' in sys.modules, 'SimpleITK' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert shown.stdout.split() == [str(imported), str(imported), "False"]
