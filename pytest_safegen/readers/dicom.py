"""Reads a folder that holds one DICOM series: headers by pydicom, pixels by SimpleITK.

Nothing that names a patient is read: only where the slices lie, and their voxels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from pytest_safegen.core.errors import ReadError
from pytest_safegen.data.dicom_files import (
    NOT_IMAGES,
    has_dicom_suffix,
    has_magic,
    has_no_suffix,
    read_header,
)
from pytest_safegen.readers.base import (
    Volume,
    check_spacing,
    first_bytes,
    plain_shape,
    truncated,
    volume,
)
from pytest_safegen.readers.dicom_geometry import Slice, stacked_affine
from pytest_safegen.readers.itk import affine_of, no_warnings

Header = Mapping[str, str]

_KEYWORDS = (
    "Modality",
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
    "BitsAllocated",
    "PixelRepresentation",
)


def read_dicom(folder: Path, name: str, *, max_voxels: int) -> Volume:
    """The volume of the one series in a folder, rescaled as its slices say; ReadError otherwise.

    `name` is what the folder is called in messages. Slices are sorted by their position; they must
    lie evenly, so that none can be missing. A single file may hold a whole volume. Segmentations
    and other objects that are no images are ignored.
    """
    headers = _series_headers(folder, name)
    path, header = next(iter(headers.items()))
    if len(headers) == 1 and _frames(header) > 1:
        return _read_frames(path, header, name, max_voxels=max_voxels)
    found = (_slice(path, header, name) for path, header in headers.items())
    slices = sorted(found, key=lambda one: one.height)
    affine = stacked_affine(slices, name)
    shape = plain_shape((*slices[0].size, len(slices)), name, max_voxels=max_voxels)
    voxels = np.empty(shape, dtype=np.float32, order="F")
    for k, one in enumerate(slices):
        voxels[:, :, k] = _pixels(_reader(one.path), one.path, name)[:, :, 0]
    return volume(voxels, affine, stored_type=slices[0].stored_type, name=name)


def _series_headers(folder: Path, name: str) -> dict[Path, Header]:
    """The header of each slice; ReadError unless all files are slices of one series."""
    headers: dict[Path, Header] = {}
    unreadable: list[Path] = []
    for path in _files(folder):
        header = read_header(path, _KEYWORDS, force=_is_named_as_slice(path)) or {}
        if header.get("Modality") in NOT_IMAGES:
            continue
        if {"Rows", "Columns"} <= header.keys():
            headers[path] = header
        elif has_dicom_suffix(path.name) or has_magic(path):
            unreadable.append(path)
    _check_one_series(headers, name)
    for path in unreadable:
        where = f"{name}/{path.name}"
        first_bytes(path, where)
        raise truncated(where)
    return headers


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if not path.is_dir() and path.name.upper() != "DICOMDIR":
            yield path


def _is_named_as_slice(path: Path) -> bool:
    return has_dicom_suffix(path.name) or has_no_suffix(path.name)


def _check_one_series(headers: Mapping[Path, Header], name: str) -> None:
    if not headers:
        raise ReadError(
            f"{name} holds no DICOM slice that can be read. Export the series again.",
            headline="No readable DICOM slice",
        )
    count = len({header.get("SeriesInstanceUID", "") for header in headers.values()})
    if count > 1:
        raise ReadError(
            f"{name} holds {count} DICOM series. "
            "Put the slices of each series into a folder of its own.",
            headline=f"{count} DICOM series in one folder",
        )


def _frames(header: Header) -> int:
    text = header.get("NumberOfFrames", "")
    return int(text) if text.isdigit() else 1


def _read_frames(path: Path, header: Header, name: str, *, max_voxels: int) -> Volume:
    """The volume in a single file, whose geometry SimpleITK finds for each frame."""
    reader = _reader(path)
    try:
        with no_warnings():
            reader.ReadImageInformation()
    except RuntimeError as problem:
        raise truncated(f"{name}/{path.name}") from problem
    plain_shape(reader.GetSize(), name, max_voxels=max_voxels)
    check_spacing(reader.GetSpacing(), name)
    voxels = np.array(_pixels(reader, path, name), dtype=np.float32)
    return volume(voxels, affine_of(reader), stored_type=_stored_type(header), name=name)


def _reader(path: Path) -> Any:
    """A SimpleITK reader of one DICOM file, which is not opened yet."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    return reader


def _pixels(reader: Any, path: Path, name: str) -> NDArray[Any]:
    """The rescaled voxels (i, j, k) of one file."""
    try:
        with no_warnings():
            image = reader.Execute()
    except RuntimeError as problem:
        raise truncated(f"{name}/{path.name}") from problem
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise ReadError(
            f"{name} is a colour image. Save one real number per voxel.", headline="Colour image"
        )
    voxels = np.asarray(sitk.GetArrayFromImage(image))
    return voxels.reshape(image.GetSize()[::-1]).transpose()


def _slice(path: Path, header: Header, name: str) -> Slice:
    where = f"{name}/{path.name}"
    position = _numbers(header, "ImagePositionPatient", 3, where)
    axes = _numbers(header, "ImageOrientationPatient", 6, where).reshape(2, 3)
    if _frames(header) > 1:
        raise ReadError(
            f"{where} holds several slices beside other files. Put it into a folder alone.",
            headline="Multi-frame file beside other slices",
        )
    row, column = _numbers(header, "PixelSpacing", 2, where)
    check_spacing((column, row), where)
    return Slice(
        path=path,
        size=(int(header["Columns"]), int(header["Rows"])),
        spacing=(float(column), float(row)),
        position=position,
        axes=axes,
        stored_type=_stored_type(header),
    )


def _numbers(header: Header, keyword: str, count: int, where: str) -> NDArray[np.float64]:
    try:
        numbers = np.array([float(part) for part in header.get(keyword, "").split("\\")])
    except ValueError:
        numbers = np.empty(0)
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ReadError(
            f"{where} has no valid {keyword}. Export every slice with its position, orientation "
            "and pixel spacing.",
            headline=f"DICOM slice without {keyword}",
        )
    return numbers


def _stored_type(header: Header) -> str:
    bits = header.get("BitsAllocated", "")
    is_signed = header.get("PixelRepresentation") == "1"
    return f"{'' if is_signed else 'u'}int{bits}" if bits else ""
