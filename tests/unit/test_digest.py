"""The content digest covers every byte that a reader may take as a scan or its mask."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from pytest_safegen.core.digest import content_digest
from pytest_safegen.core.scan import ScanRef
from pytest_safegen.profiles.digest import digest_of

LONG_AGO = 1_000_000_000


def ref_of(path: Path, **changes: object) -> ScanRef:
    return dataclasses.replace(ScanRef(path.name, "s", None, None, path), **changes)  # type: ignore[arg-type]


def flip(path: Path, place: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)


def image(path: Path) -> Path:
    """An image whose voxels lie in a second file."""
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((3, 4, 5), np.float32)), str(path))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder like that of a DICOM series, with one file deeper down."""
    (tmp_path / "series" / "more").mkdir(parents=True)
    for name in ("1.dcm", "2.dcm", "more/3"):
        (tmp_path / "series" / name).write_bytes(f"slice {name}".encode())
    return tmp_path / "series"


@pytest.mark.parametrize("name", ["1.dcm", "2.dcm", "more/3"])
def test_every_file_of_a_folder_counts(folder: Path, name: str) -> None:
    before = content_digest([ref_of(folder)])
    flip(folder / name)
    assert content_digest([ref_of(folder)]) != before


@pytest.mark.parametrize(("name", "data"), [("a.mhd", "a.raw"), ("a.nhdr", "a.raw")])
def test_detached_voxels_count(tmp_path: Path, name: str, data: str) -> None:
    ref = ref_of(image(tmp_path / name))
    written = next(path for path in tmp_path.iterdir() if path.name.startswith(data))
    before = content_digest([ref]), digest_of([ref], {})
    flip(written)
    after = content_digest([ref]), digest_of([ref], {})
    assert all(one != two for one, two in zip(before, after, strict=True))


@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr"])
def test_the_header_of_detached_voxels_counts(tmp_path: Path, name: str) -> None:
    ref = ref_of(image(tmp_path / name))
    before = content_digest([ref])
    flip(ref.path, 0)
    assert content_digest([ref]) != before


def test_the_detached_voxels_of_a_mask_count(tmp_path: Path) -> None:
    scan, mask = tmp_path / "a.nii", image(tmp_path / "mask.mhd")
    scan.write_bytes(b"scan")
    before = content_digest([ref_of(scan, mask=mask)])
    flip(tmp_path / "mask.raw")
    assert content_digest([ref_of(scan, mask=mask)]) != before


def test_a_mask_is_not_taken_for_a_part_of_the_scan(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one, two):
        path.mkdir()
        (path / "1.dcm").write_bytes(b"1")
    (one / "2.dcm").write_bytes(b"2")
    (tmp_path / "2").write_bytes(b"2")
    assert content_digest([ref_of(one)]) != content_digest([ref_of(two, mask=tmp_path / "2")])


def test_a_file_is_hashed_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(b"scan")
    os.utime(path, (LONG_AGO, LONG_AGO))
    hashed: list[str] = []
    original = hashlib.file_digest

    def counted(stream: object, name: str) -> object:
        hashed.append(name)
        return original(stream, name)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "file_digest", counted)
    first = [content_digest([ref_of(path)]) for _ in range(3)]
    path.write_bytes(b"nacs")
    assert (len(set(first)), len(hashed)) == (1, 1)
    assert content_digest([ref_of(path)]) != first[0]


def test_a_file_that_was_just_written_is_hashed_each_time(tmp_path: Path) -> None:
    path, digests = tmp_path / "a.nii", set()
    for number in range(50):  # within one tick of the file system's clock
        path.write_bytes(b"%02d" % number)
        digests.add(content_digest([ref_of(path)]))
    assert len(digests) == 50


def test_a_file_that_cannot_be_read_has_no_digest(tmp_path: Path) -> None:
    assert content_digest([ref_of(tmp_path / "gone.nii")]) == ""
