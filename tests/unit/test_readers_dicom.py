"""A folder with a DICOM series becomes a scan, and no slice can be missing in silence."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from pytest_safegen.core.errors import ReadError
from pytest_safegen.core.scan import Scan, ScanRef
from pytest_safegen.data.dicom_files import read_header
from pytest_safegen.readers import dicom, read_scan

SERIES, STUDY, FRAME = generate_uid(), generate_uid(), generate_uid()
Change = Callable[[Dataset], None]


def write_slice(path: Path, k: int, *, series: str = SERIES, change: Change | None = None) -> None:
    """One slice of 5 rows and 4 columns, 3 mm above the one before, all voxels 10 * k."""
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = CTImageStorage
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = generate_uid()
    one.SeriesInstanceUID, one.StudyInstanceUID, one.FrameOfReferenceUID = series, STUDY, FRAME
    one.Modality, one.PatientName, one.PatientID = "CT", "Secret^Name", "secret-id"
    one.Rows, one.Columns, one.PixelSpacing = 5, 4, [0.5, 0.25]
    one.ImageOrientationPatient, one.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [7, 8, 3.0 * k]
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 1
    one.RescaleSlope, one.RescaleIntercept, one.InstanceNumber = 2, -1000, 100 - k
    one.PixelData = np.full((5, 4), 10 * k, dtype="<i2").tobytes()
    if change:
        change(one)
    path.parent.mkdir(parents=True, exist_ok=True)
    one.save_as(path, enforce_file_format=True)


def series(folder: Path, heights: tuple[int, ...] = (0, 1, 2, 3, 4)) -> Path:
    for n, k in enumerate(heights):
        write_slice(folder / f"{(n * 7) % 10}-{n}.dcm", k)
    return folder


def scan_of(folder: Path, **options: int) -> Scan:
    return read_scan(ScanRef(folder.name, "x", None, None, folder), **options)


def problem(folder: Path, **options: int) -> str:
    with pytest.raises(ReadError) as caught:
        scan_of(folder, **options)
    assert str(folder.parent) not in str(caught.value)
    assert folder.name in str(caught.value)
    assert 0 < len(caught.value.headline) <= 90
    return str(caught.value)


def test_slices_are_sorted_by_their_position(tmp_path: Path) -> None:
    scan = scan_of(series(tmp_path / "a b <script> ü"))
    assert list(scan.voxels[0, 0]) == [-1000, -980, -960, -940, -920]


def test_the_affine_is_in_ras(tmp_path: Path) -> None:
    expected = [[-0.25, 0, 0, -7], [0, -0.5, 0, -8], [0, 0, 3, 0], [0, 0, 0, 1]]
    scan = scan_of(series(tmp_path / "a"))
    assert scan.voxels.shape == (4, 5, 5)
    assert np.allclose(scan.affine, expected)


def test_the_stored_type_is_that_of_the_file(tmp_path: Path) -> None:
    assert scan_of(series(tmp_path / "a")).stored_type == "int16"


def test_each_slice_has_its_own_rescaling(tmp_path: Path) -> None:
    folder = series(tmp_path / "a")

    def half(one: Dataset) -> None:
        one.RescaleSlope, one.RescaleIntercept = 0.5, 0.25

    write_slice(folder / "last.dcm", 5, change=half)
    assert scan_of(folder).voxels[0, 0, -1] == 25.25


def test_a_volume_agrees_with_simpleitk(tmp_path: Path) -> None:
    folder = series(tmp_path / "a")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    assert np.array_equal(sitk.GetArrayFromImage(reader.Execute()).T, scan_of(folder).voxels)


def test_a_missing_slice_is_named_by_its_place(tmp_path: Path) -> None:
    message = problem(series(tmp_path / "a", (0, 1, 3, 4, 5)))
    assert "lacks a slice between 3.00 mm and 9.00 mm" in message


def test_a_slice_twice_is_named_by_its_place(tmp_path: Path) -> None:
    assert "two slices at 6.00 mm" in problem(series(tmp_path / "a", (0, 1, 2, 2, 3)))


def test_two_series_in_one_folder_are_counted(tmp_path: Path) -> None:
    folder = series(tmp_path / "a")
    write_slice(folder / "other.dcm", 9, series=generate_uid())
    assert "holds 2 DICOM series" in problem(folder)


def test_a_folder_without_readable_slices_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.dcm").write_text("no")
    assert "no DICOM slice that can be read" in problem(tmp_path / "a")


def test_a_slice_that_is_no_dicom_is_named(tmp_path: Path) -> None:
    folder = series(tmp_path / "a")
    (folder / "bad.dcm").write_text("no")
    assert "a/bad.dcm" in problem(folder)


def test_a_slice_that_is_a_pointer_names_the_command(tmp_path: Path) -> None:
    folder = series(tmp_path / "a")
    (folder / "bad.dcm").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert "git lfs pull" in problem(folder)


@pytest.mark.parametrize("kind", ["SEG", "RTSTRUCT"])
def test_an_object_that_is_no_image_is_ignored(tmp_path: Path, kind: str) -> None:
    def relabel(one: Dataset) -> None:
        one.Modality = kind

    write_slice(series(tmp_path / "a") / "0.dcm", 9, series=generate_uid(), change=relabel)
    assert scan_of(tmp_path / "a").voxels.shape == (4, 5, 5)


def test_the_header_of_a_slice_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counting(path: Path, *args: Any, **options: Any) -> dict[str, str] | None:
        read.append(path.name)
        return read_header(path, *args, **options)

    monkeypatch.setattr(dicom, "read_header", counting)
    folder = series(tmp_path / "a")
    scan_of(folder)
    assert sorted(read) == sorted(path.name for path in folder.iterdir())


def test_slices_without_the_preamble_are_read(tmp_path: Path) -> None:
    folder = series(tmp_path / "a")
    expected = scan_of(folder)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[132:])
    found = scan_of(folder)
    assert np.array_equal(found.voxels, expected.voxels)
    assert np.array_equal(found.affine, expected.affine)


def test_a_text_beside_the_slices_is_ignored(tmp_path: Path) -> None:
    folder = series(tmp_path / "a")
    (folder / "LICENSE").write_text("Free for all. " * 100)
    assert scan_of(folder).voxels.shape == (4, 5, 5)


def test_a_slice_without_pixel_spacing_is_named(tmp_path: Path) -> None:
    def forget(one: Dataset) -> None:
        del one.PixelSpacing

    for k in range(3):
        write_slice(tmp_path / "a" / f"{k}.dcm", k, change=forget)
    assert "has no valid PixelSpacing" in problem(tmp_path / "a")


@given(cut=st.integers(0, 900), place=st.integers(0, 900), value=st.integers(0, 255))
def test_a_corrupt_slice_is_a_read_error_or_a_scan(cut: int, place: int, value: int) -> None:
    with TemporaryDirectory() as folder:
        path = series(Path(folder) / "a", (0, 1, 2)) / "last.dcm"
        write_slice(path, 3)
        content = bytearray(path.read_bytes())
        content[place % len(content)] = value
        path.write_bytes(content[: len(content) - cut])
        with suppress(ReadError):
            assert scan_of(path.parent).voxels.dtype == np.float32


def test_a_slice_that_breaks_off_is_named(tmp_path: Path) -> None:
    folder = series(tmp_path / "a")
    cut = sorted(folder.iterdir())[2]
    cut.write_bytes(cut.read_bytes()[:-20])
    assert cut.name in problem(folder)


def test_a_slice_without_a_position_is_named(tmp_path: Path) -> None:
    folder = series(tmp_path / "a")

    def forget(one: Dataset) -> None:
        del one.ImagePositionPatient

    write_slice(folder / "bad.dcm", 5, change=forget)
    assert "bad.dcm has no valid ImagePositionPatient" in problem(folder)


@pytest.mark.parametrize("axes", [[0, 1, 0, 0, 0, 1], [1, 0, 0, 0, 0, 1]])
def test_a_slice_of_another_orientation_is_refused(tmp_path: Path, axes: list[int]) -> None:
    folder = series(tmp_path / "a")

    def turn(one: Dataset) -> None:
        one.ImageOrientationPatient = axes

    write_slice(folder / "bad.dcm", 5, change=turn)
    assert "different size, spacing or orientation" in problem(folder)


def test_a_slice_pushed_aside_is_refused(tmp_path: Path) -> None:
    folder = series(tmp_path / "a", (0, 1, 3, 4))

    def push(one: Dataset) -> None:
        one.ImagePositionPatient = [17, 8, 6]

    write_slice(folder / "bad.dcm", 2, change=push)
    assert "a/bad.dcm lies 10.00 mm off the line" in problem(folder)


def test_a_tilted_gantry_is_kept_in_the_affine(tmp_path: Path) -> None:
    def tilt(one: Dataset) -> None:
        x, y, z = one.ImagePositionPatient
        one.ImagePositionPatient = [x, y + z / 3, z]

    for k in range(4):
        write_slice(tmp_path / "a" / f"{k}.dcm", k, change=tilt)
    assert np.allclose(scan_of(tmp_path / "a").affine[:3, 2], [0, -1, 3])


def test_colours_are_refused(tmp_path: Path) -> None:
    def paint(one: Dataset) -> None:
        one.SamplesPerPixel, one.PhotometricInterpretation, one.PlanarConfiguration = 3, "RGB", 0
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 8, 8, 7, 0
        one.PixelData = bytes(60)
        del one.RescaleSlope, one.RescaleIntercept

    for k in range(3):
        write_slice(tmp_path / "a" / f"{k}.dcm", k, change=paint)
    assert "colour image" in problem(tmp_path / "a")


def test_a_single_slice_is_refused(tmp_path: Path) -> None:
    assert "a single slice" in problem(series(tmp_path / "a", (0,)))


def test_too_many_voxels_are_refused(tmp_path: Path) -> None:
    assert "limit of 99" in problem(series(tmp_path / "a"), max_voxels=99)


def test_a_file_of_several_frames_is_a_volume(tmp_path: Path) -> None:
    voxels = np.arange(60, dtype=np.uint16).reshape(3, 5, 4)
    (tmp_path / "a").mkdir()
    made = sitk.GetImageFromArray(voxels)
    sitk.WriteImage(made, str(tmp_path / "a" / "1.dcm"))
    assert np.array_equal(scan_of(tmp_path / "a").voxels, voxels.T)


def test_nothing_is_printed_and_no_name_is_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    scan = scan_of(series(tmp_path / "a"))
    assert capfd.readouterr() == ("", "")
    assert "ecret" not in repr(scan)
