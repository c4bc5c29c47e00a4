"""NRRD and MetaImage files become scans in nibabel's coordinates; nothing else is opened."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, strategies as st

from pytest_safegen.core.errors import ReadError
from pytest_safegen.core.scan import Scan, ScanRef
from pytest_safegen.readers import read_scan
from pytest_safegen.readers.itk import affine_of

VOXELS = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


def image(voxels: np.ndarray = VOXELS, *, vector: bool = False) -> sitk.Image:
    made = sitk.GetImageFromArray(voxels.T, isVector=vector)
    made.SetSpacing((2.0, 3.0, 4.0, 1.0)[: made.GetDimension()])
    made.SetOrigin((10.0, 20.0, 30.0, 0.0)[: made.GetDimension()])
    return made


def save(path: Path, made: sitk.Image | None = None) -> Path:
    sitk.WriteImage(made or image(), str(path))
    return path


def scan_of(path: Path, **options: int) -> Scan:
    return read_scan(ScanRef(path.name, "x", None, None, path), **options)


def problem(path: Path, **options: int) -> str:
    with pytest.raises(ReadError) as caught:
        scan_of(path, **options)
    assert str(path.parent) not in str(caught.value)
    assert path.name in str(caught.value)
    assert 0 < len(caught.value.headline) <= 90
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd", "ü <b> '.nrrd"])
def test_voxels_come_in_the_order_i_j_k(tmp_path: Path, name: str) -> None:
    scan = scan_of(save(tmp_path / name))
    assert np.array_equal(scan.voxels, VOXELS)
    assert (scan.voxels.dtype, scan.stored_type) == (np.float32, "int16")


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_upper_case_endings_are_read(tmp_path: Path, ending: str) -> None:
    path = save(tmp_path / f"a.{ending}").rename(tmp_path / f"A.{ending.upper()}")
    assert np.array_equal(scan_of(path).voxels, VOXELS)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_the_affine_is_turned_from_lps_to_ras(tmp_path: Path, name: str) -> None:
    expected = [[-2, 0, 0, -10], [0, -3, 0, -20], [0, 0, 4, 30], [0, 0, 0, 1]]
    assert np.allclose(scan_of(save(tmp_path / name)).affine, expected)


@given(
    index=st.tuples(*[st.integers(0, 50)] * 3),
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
)
def test_a_voxel_lies_where_simpleitk_says_but_for_the_signs_of_lps(
    index: tuple[int, int, int], angles: tuple[float, ...], origin: tuple[float, ...]
) -> None:
    made = sitk.Image(60, 60, 60, sitk.sitkUInt8)
    made.SetSpacing((0.7, 1.1, 3.0))
    made.SetOrigin(origin)
    made.SetDirection(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix())
    expected = np.array([-1, -1, 1]) * made.TransformIndexToPhysicalPoint(index)
    assert np.allclose((affine_of(made) @ (*index, 1))[:3], expected, atol=1e-6)


def test_compressed_files_are_read(tmp_path: Path) -> None:
    sitk.WriteImage(image(), str(tmp_path / "a.mha"), useCompression=True)
    assert np.array_equal(scan_of(tmp_path / "a.mha").voxels, VOXELS)


def test_an_axis_of_one_volume_is_dropped(tmp_path: Path) -> None:
    four = sitk.JoinSeries([image()])
    assert np.array_equal(scan_of(save(tmp_path / "a.nrrd", four)).voxels, VOXELS)


def test_a_series_of_volumes_names_the_axis(tmp_path: Path) -> None:
    four = sitk.JoinSeries([image(), image()])
    assert "2 volumes along axis 4" in problem(save(tmp_path / "a.nrrd", four))


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_colours_are_refused(tmp_path: Path, name: str) -> None:
    colours = image(np.stack([VOXELS] * 3, axis=0), vector=True)
    assert "3 values per voxel" in problem(save(tmp_path / name, colours))


def test_a_single_slice_is_refused(tmp_path: Path) -> None:
    assert "2 axes" in problem(save(tmp_path / "a.mha", image()[:, :, 0]))


def test_too_many_voxels_are_refused(tmp_path: Path) -> None:
    assert "limit of 59" in problem(save(tmp_path / "a.nrrd"), max_voxels=59)


@pytest.mark.parametrize("spacing", ["0 3 4", "2 -3 4", "2 nan 4"])
def test_a_spacing_that_is_none_is_named(tmp_path: Path, spacing: str) -> None:
    path = save(tmp_path / "a.mhd")
    text = path.read_text(encoding="utf-8").replace(
        "ElementSpacing = 2 3 4", f"ElementSpacing = {spacing}"
    )
    path.write_text(text)
    assert "voxel spacing of" in problem(path)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.raw"])
def test_a_truncated_file_is_named_and_nothing_is_printed(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / name.replace("raw", "mhd"))
    cut = tmp_path / name
    cut.write_bytes(cut.read_bytes()[:-10])
    assert "re-export it" in problem(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
def test_text_called_an_image_is_named_and_nothing_is_printed(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text("not an image")
    assert "despite its name" in problem(tmp_path / name)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "elsewhere",
    ["../secret.raw", "/etc/passwd", "LIST", "a%03d.raw 1 3 1", "..", "C:\\secret.raw", "d/x.raw"],
)
@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr", "a.mha", "a.nrrd"])
def test_voxels_outside_the_folder_are_never_opened(
    tmp_path: Path, name: str, elsewhere: str
) -> None:
    (tmp_path / "secret.raw").write_bytes(b"s" * 120)
    folder = tmp_path / "data"
    folder.mkdir()
    detached = folder / f"x.{'mhd' if 'mh' in name else 'nhdr'}"
    text = save(detached).read_text(encoding="utf-8").replace("x.raw", elsewhere)
    (folder / name).write_text(text)
    assert "Only one file in its own folder" in problem(folder / name)


@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr"])
def test_the_name_of_the_voxels_cannot_hide_behind_a_carriage_return(
    tmp_path: Path, name: str
) -> None:
    path = save(tmp_path / name)
    *lines, last = path.read_bytes().rstrip().split(b"\n")
    path.write_bytes(b"\n".join(lines) + b"\r" + last.replace(b"a.raw", b"../a.raw") + b"\n")
    assert "Only one file in its own folder" in problem(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("NDims = 3", "NDims = 93"),
        ("NDims = 3", "NDims = 2"),
        ("DimSize = 3 4 5", "DimSize = 3 4 -5"),
        ("DimSize = 3 4 5", "DimSize = 3 4"),
        ("MET_SHORT", "MET_OTHER"),
        ("BinaryData = True", "NDims = 3"),
        ("BinaryData = True", "no field"),
        ("ElementDataFile", "elementdatafile"),
    ],
)
def test_a_header_that_would_harm_itk_is_refused(tmp_path: Path, old: str, new: str) -> None:
    path = save(tmp_path / "a.mhd")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new))
    assert "invalid header" in problem(path)


def test_a_missing_file_of_voxels_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.mhd")
    (tmp_path / "a.raw").unlink()
    assert "a.mhd (a.raw) does not exist" in problem(path)
