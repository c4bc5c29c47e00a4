"""Reads NIfTI-1 and NIfTI-2, .nii and .nii.gz."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from logging import LogRecord
from pathlib import Path
from threading import get_ident
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import logger
from nibabel.spatialimages import HeaderDataError

from pytest_safegen.core.errors import ReadError
from pytest_safegen.readers.base import (
    Volume,
    check_spacing,
    first_bytes,
    plain_shape,
    truncated,
    volume,
)

_GZIP_MAGIC = b"\x1f\x8b"
_BROKEN = (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError)


def read_nifti(path: Path, name: str, *, max_voxels: int) -> Volume:
    """The volume of a NIfTI file, scaled as its header says; ReadError if it is none.

    `name` is what the file is called in messages. Where neither qform nor sform is set, the affine
    is nibabel's: the spacing, with the volume's centre at 0 and the first axis to the left.
    """
    header = _header(path, name)
    shape = plain_shape(_lengths(header, name), name, max_voxels=max_voxels)
    check_spacing([float(length) for length in header["pixdim"][1:4]], name)
    stored_type = _stored_type(header, name)
    try:
        with _no_log(), np.errstate(all="ignore"):
            image = _image_class(header).from_filename(path, mmap=False)
            voxels = image.get_fdata(dtype=np.float32, caching="unchanged")
            affine = np.array(image.affine, dtype=np.float64)
    except _BROKEN as problem:
        raise truncated(name) from problem
    return volume(voxels.reshape(shape, order="A"), affine, stored_type=stored_type, name=name)


@contextmanager
def _no_log() -> Iterator[None]:
    """Keep what nibabel logs in this thread off the terminal; what matters becomes a ReadError."""
    thread = get_ident()

    def is_elsewhere(record: LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(is_elsewhere)
    try:
        yield
    finally:
        logger.removeFilter(is_elsewhere)


def _header(path: Path, name: str) -> Any:
    """The header as it is written, for nibabel silently replaces a spacing of 0."""
    head = _start(path, name)
    size = {int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")}
    kinds = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
    kind = next((kinds[number] for number in size if number in kinds), None)
    if kind is None or len(head) < kind.sizeof_hdr:
        raise ReadError(
            f"{name} is not a NIfTI file, despite its name. Convert it to NIfTI.",
            headline="Not a NIfTI file",
        )
    header = kind(head[: kind.sizeof_hdr], check=False)
    if not bytes(header["magic"]).startswith((b"n+1", b"n+2")):
        raise ReadError(
            f"{name} is not a single-file NIfTI (Analyze, or header and image apart). "
            "Convert it to .nii.gz.",
            headline="Not a single-file NIfTI",
        )
    return header


def _start(path: Path, name: str) -> bytes:
    """The first bytes, decompressed if the name says that they are compressed."""
    head = first_bytes(path, name, count=540)
    compressed = head.startswith(_GZIP_MAGIC)
    if compressed != path.name.lower().endswith(".gz"):
        what = "compressed with gzip" if compressed else "not compressed with gzip"
        raise ReadError(
            f"{name} is {what}, despite its name. Rename it or re-export it.",
            headline=f"File {what}, despite its name",
        )
    if not compressed:
        return head
    try:
        with gzip.open(path) as file:
            return file.read(540)
    except _BROKEN as problem:
        raise truncated(name) from problem


def _image_class(header: Any) -> Any:
    return nibabel.Nifti2Image if header.sizeof_hdr == 540 else nibabel.Nifti1Image


def _lengths(header: Any, name: str) -> list[int]:
    axes = int(header["dim"][0])
    if not 1 <= axes <= 7:
        raise ReadError(
            f"{name} has {axes} axes by its header; re-export it.", headline="Invalid header"
        )
    return [int(length) for length in header["dim"][1 : axes + 1]]


def _stored_type(header: Any, name: str) -> str:
    try:
        kind = header.get_data_dtype()
    except (HeaderDataError, KeyError) as problem:
        raise ReadError(
            f"{name} has an unknown data type in its header. Save one real number per voxel.",
            headline="Unknown data type",
        ) from problem
    if kind.kind not in "iuf":
        what = "colours" if kind.fields else f"{kind.name} numbers"
        raise ReadError(
            f"{name} holds {what}. Save one real number per voxel.", headline=f"Voxels are {what}"
        )
    return str(kind.name)
