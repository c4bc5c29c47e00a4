"""Which files are DICOM, and what their headers say: all but the pixels.

pydicom is imported with the first header that is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

NOT_IMAGES = frozenset(
    {"SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "SR", "KO", "PR", "REG", "DOC", "FID"}
)
"""DICOM modalities of objects that go with scans but are none."""

_SUFFIXES = (".dcm", ".dicom", ".ima")


def has_magic(path: Path) -> bool:
    """True if the file is DICOM by the letters DICM at byte 128; False if it cannot be read."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def has_dicom_suffix(name: str) -> bool:
    """True if a file is named as DICOM."""
    return name.lower().endswith(_SUFFIXES) and not name.startswith("._")


def has_no_suffix(name: str) -> bool:
    """True if a file is named as slices are that go without an ending; DICOMDIR is no slice."""
    # Slices are often named by their UID, whose last number only looks like an ending.
    suffix = Path(name).suffix
    plain = not suffix or suffix[1:].isdigit()
    return plain and name.upper() != "DICOMDIR" and not name.startswith("._")


def slices_among(names: Sequence[str], folder: Path) -> list[str]:
    """The file names that are DICOM; one file with the magic vouches for all without an ending.

    The files are opened until the first one, which is the first file of all in most folders.
    """
    named = [name for name in names if has_dicom_suffix(name)]
    plain = [name for name in names if has_no_suffix(name)]
    return named + plain if any(has_magic(folder / name) for name in plain) else named


def modality_of(path: Path) -> str | None:
    """The element Modality (0008,0060), such as "CT"; None where it cannot be read."""
    header = read_header(path, ("Modality",)) or {}
    return header.get("Modality") or None


def read_header(
    path: Path, keywords: Sequence[str], *, force: bool = False
) -> dict[str, str] | None:
    """Some elements of a DICOM file by keyword, as text; None if it is no DICOM or is damaged.

    With `force`, files without the letters DICM at byte 128 are read, too. The file is opened once,
    and read as far as the last of these elements.
    """
    from pydicom.datadict import tag_for_keyword
    from pydicom.filereader import read_partial

    tags = {keyword: tag_for_keyword(keyword) or 0 for keyword in keywords}
    last = max(tags.values())
    try:
        with path.open("rb") as file:
            found = read_partial(
                file, lambda tag, *_: tag > last, force=force, specific_tags=[*tags.values()]
            )
    except Exception:  # noqa: BLE001  pydicom meets damaged files with errors of many kinds
        return None
    return {
        keyword: _text(found.get_item(tag), keyword)
        for keyword, tag in tags.items()
        if tag in found
    }


def _text(element: Any, keyword: str) -> str:
    """The value as text; the bytes are taken as they are, for pydicom warns of unusual ones."""
    from pydicom.datadict import dictionary_VR

    if not isinstance(element.value, bytes):
        return ""
    if dictionary_VR(keyword) == "US":
        return str(
            int.from_bytes(element.value[:2], "little" if element.is_little_endian else "big")
        )
    return element.value.decode("latin-1").strip(" \0")
