"""Which files are DICOM, and of what modality: all that discovery needs of their headers."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

NOT_IMAGES = frozenset(
    {"SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "SR", "KO", "PR", "REG", "DOC", "FID"}
)
"""DICOM modalities of objects that go with scans but are none."""

_MODALITY = (0x0008, 0x0060)
_IMPLICIT = "1.2.840.10008.1.2"
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT"})
_MOST_BYTES = 65_536


def has_magic(path: Path) -> bool:
    """True if the file is DICOM by the letters DICM at byte 128; False if it cannot be read."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def modality_of(path: Path) -> str | None:
    """The tag Modality (0008,0060), such as "CT"; None where it is not found easily."""
    if not has_magic(path):
        return None
    with path.open("rb") as file:
        file.seek(132)
        return _search_modality(file)


def _search_modality(file: BinaryIO) -> str | None:
    syntax = ""
    while file.tell() < _MOST_BYTES:
        # The first group is always explicit; the transfer syntax says what the others are.
        tag = _read_tag(file)
        if tag is None or tag > _MODALITY:
            return None
        explicit = tag[0] == 2 or syntax != _IMPLICIT
        length = _read_length(file, explicit=explicit)
        if length is None or length > _MOST_BYTES:
            return None
        value = file.read(length).decode("latin-1").strip(" \0")
        if tag == (0x0002, 0x0010):
            syntax = value
        elif tag == _MODALITY:
            return value or None
    return None


def _read_tag(file: BinaryIO) -> tuple[int, int] | None:
    head = file.read(4)
    return struct.unpack("<HH", head) if len(head) == 4 else None


def _read_length(file: BinaryIO, *, explicit: bool) -> int | None:
    """The length of the value that comes next, after its type if that is written out."""
    head = file.read(4)
    if len(head) < 4:
        return None
    if not explicit:
        return int(struct.unpack("<I", head)[0])
    if head[:2] not in _LONG:
        return int(struct.unpack("<H", head[2:])[0])
    long = file.read(4)
    return int(struct.unpack("<I", long)[0]) if len(long) == 4 else None
