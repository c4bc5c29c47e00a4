"""NIfTI files become scans, or a sentence that names the file and the way out."""

import gzip
import logging
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from pytest_safegen.core.errors import ReadError
from pytest_safegen.core.scan import Scan, ScanRef
from pytest_safegen.readers import read_scan

VOXELS = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
AFFINE = np.array([[2.0, 0, 0, -10], [0, 3, 0, 5], [0, 0, 4, 7], [0, 0, 0, 1]])


def scan_of(path: Path, **options: int) -> Scan:
    return read_scan(ScanRef(path.name, "x", None, None, path), **options)


def save(
    path: Path, voxels: Any = VOXELS, *, affine: Any = AFFINE, kind: Any = nibabel.Nifti1Image
) -> Path:
    nibabel.save(kind(voxels, affine), path)
    return path


def patched(path: Path, offset: int, content: bytes) -> Path:
    """The file with some bytes of its header replaced."""
    whole = bytearray(save(path).read_bytes())
    whole[offset : offset + len(content)] = content
    path.write_bytes(whole)
    return path


def problem(path: Path, **options: int) -> str:
    with pytest.raises(ReadError) as caught:
        scan_of(path, **options)
    assert str(path.parent) not in str(caught.value)
    assert path.name in str(caught.value)
    assert 0 < len(caught.value.headline) <= 90
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ", "a b '<script>' ü.nii.gz"])
def test_voxels_come_as_they_are_stored(tmp_path: Path, name: str) -> None:
    assert np.array_equal(scan_of(save(tmp_path / name)).voxels, VOXELS)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_both_versions_are_read(tmp_path: Path, kind: Any) -> None:
    scan = scan_of(save(tmp_path / "a.nii.gz", kind=kind))
    assert (scan.voxels.shape, scan.stored_type) == ((3, 4, 5), "int16")


def test_the_affine_is_that_of_the_file(tmp_path: Path) -> None:
    assert np.allclose(scan_of(save(tmp_path / "a.nii")).affine, AFFINE)


def test_voxels_are_float32_whatever_is_stored(tmp_path: Path) -> None:
    scan = scan_of(save(tmp_path / "a.nii", VOXELS.astype(np.float64)))
    assert (scan.voxels.dtype, scan.stored_type) == (np.float32, "float64")


def test_arrays_cannot_be_written_to(tmp_path: Path) -> None:
    scan = scan_of(save(tmp_path / "a.nii"))
    assert not scan.voxels.flags.writeable
    assert not scan.affine.flags.writeable


def test_slope_and_intercept_are_honoured(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS, AFFINE)
    image.header.set_slope_inter(0.5, -3)
    nibabel.save(image, tmp_path / "a.nii")
    assert np.array_equal(scan_of(tmp_path / "a.nii").voxels, VOXELS * 0.5 - 3)


def test_an_axis_of_one_volume_is_dropped(tmp_path: Path) -> None:
    scan = scan_of(save(tmp_path / "a.nii", VOXELS[..., None]))
    assert np.array_equal(scan.voxels, VOXELS)


def test_nan_is_returned_as_it_is(tmp_path: Path) -> None:
    voxels = VOXELS.astype(np.float32)
    voxels[0, 0, 0], voxels[1, 1, 1] = np.nan, np.inf
    assert np.array_equal(scan_of(save(tmp_path / "a.nii", voxels)).voxels, voxels, equal_nan=True)


def test_without_qform_and_sform_the_affine_is_nibabels(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS, AFFINE)
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    nibabel.save(image, tmp_path / "a.nii")
    expected = nibabel.load(tmp_path / "a.nii").affine
    assert np.array_equal(scan_of(tmp_path / "a.nii").affine, expected)


def test_a_truncated_gzip_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", np.random.default_rng(0).normal(size=(20, 20, 20)))
    path.write_bytes(path.read_bytes()[:-2000])
    assert "is truncated or corrupt" in problem(path)


def test_a_gzip_without_a_whole_header_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz")
    path.write_bytes(path.read_bytes()[:40])
    assert "is truncated or corrupt" in problem(path)


def test_a_truncated_plain_file_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii")
    path.write_bytes(path.read_bytes()[:-8])
    assert "is truncated or corrupt" in problem(path)


def test_text_called_nifti_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_text("not an image")
    assert "not compressed with gzip" in problem(tmp_path / "a.nii.gz")


def test_text_in_gzip_called_nifti_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(b"not an image" * 100))
    assert "is not a NIfTI file" in problem(tmp_path / "a.nii.gz")


def test_a_gzip_called_plain_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a.nii.gz").rename(tmp_path / "a.nii")
    assert "is compressed with gzip" in problem(tmp_path / "a.nii")


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").touch()
    assert "is empty" in problem(tmp_path / "a.nii.gz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "does not exist" in problem(tmp_path / "a.nii.gz")


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").symlink_to(tmp_path / "gone")
    assert "is a broken link" in problem(tmp_path / "a.nii.gz")


@pytest.mark.parametrize(
    ("content", "command"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
        ("/annex/objects/SHA256E-s1--00.nii.gz\n", "git annex get"),
    ],
)
def test_a_pointer_names_the_command_that_fetches_the_scan(
    tmp_path: Path, content: str, command: str
) -> None:
    (tmp_path / "a.nii.gz").write_text(content)
    assert command in problem(tmp_path / "a.nii.gz")


def test_a_header_of_too_many_voxels_is_refused_before_reading(tmp_path: Path) -> None:
    path = patched(tmp_path / "a.nii", 42, np.array([32000, 32000, 32000], "<i2").tobytes())
    assert "32000 x 32000 x 32000 voxels" in problem(path)


def test_the_limit_of_voxels_can_be_set(tmp_path: Path) -> None:
    assert "limit of 59" in problem(save(tmp_path / "a.nii"), max_voxels=59)


def test_a_series_of_volumes_names_the_axis(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", np.stack([VOXELS, VOXELS], axis=3))
    assert "2 volumes along axis 4" in problem(path)


def test_a_single_slice_is_refused(tmp_path: Path) -> None:
    assert "2 axes" in problem(save(tmp_path / "a.nii", VOXELS[:, :, 0]))


@pytest.mark.parametrize("length", [0.0, -2.0, np.nan, np.inf])
def test_a_spacing_that_is_none_is_named(tmp_path: Path, length: float) -> None:
    path = patched(tmp_path / "a.nii", 80, np.array([length], "<f4").tobytes())
    assert "voxel spacing of" in problem(path)


def test_a_flat_affine_is_named(tmp_path: Path) -> None:
    path = patched(tmp_path / "a.nii", 280, np.zeros(4, "<f4").tobytes())
    assert "affine" in problem(path)


def test_an_affine_with_nan_is_named(tmp_path: Path) -> None:
    path = patched(tmp_path / "a.nii", 280, np.full(4, np.nan, "<f4").tobytes())
    assert "affine" in problem(path)


@pytest.mark.parametrize("code", [32, 1792, 128, 2304, 7])
def test_what_is_not_one_real_number_a_voxel_is_named(tmp_path: Path, code: int) -> None:
    path = patched(tmp_path / "a.nii", 70, np.int16(code).tobytes())
    assert "one real number per voxel" in problem(path)


def test_a_header_without_its_image_is_named(tmp_path: Path) -> None:
    assert "single-file NIfTI" in problem(patched(tmp_path / "a.nii", 344, b"ni1\0"))


@pytest.mark.parametrize("axes", [0, 99])
def test_an_impossible_number_of_axes_is_named(tmp_path: Path, axes: int) -> None:
    assert "axes" in problem(patched(tmp_path / "a.nii", 40, np.int16(axes).tobytes()))


def test_an_axis_without_voxels_is_named(tmp_path: Path) -> None:
    assert "no voxels" in problem(patched(tmp_path / "a.nii", 42, np.int16(0).tobytes()))


def test_another_format_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "a.mgz").write_bytes(b"x")
    assert "Convert it to .nii.gz" in problem(tmp_path / "a.mgz")


def test_reading_a_corrupt_file_logs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING):
        problem(patched(tmp_path / "a.nii", 80, np.array([0], "<f4").tobytes()))
    assert (caplog.text, capfd.readouterr().err) == ("", "")
