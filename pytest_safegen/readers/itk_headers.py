"""Checks headers of NRRD and MetaImage before ITK sees them.

ITK opens whatever file a header names, prints to the terminal, and MetaImage headers whose fields
contradict each other even corrupt its memory. So nothing unusual gets through.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_safegen.core.errors import ReadError
from pytest_safegen.readers.base import first_bytes

_HEADER_BYTES = 65_536
_BYTES = {
    **dict.fromkeys(("MET_CHAR", "MET_UCHAR"), 1),
    **dict.fromkeys(("MET_SHORT", "MET_USHORT"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_LONG", "MET_ULONG", "MET_FLOAT"), 4),
    **dict.fromkeys(("MET_DOUBLE", "MET_LONG_LONG", "MET_ULONG_LONG"), 8),
}
_PLACES = ("Offset", "Position", "Origin", "CenterOfRotation")
_VECTORS = ("DimSize", "ElementSpacing", "ElementSize", *_PLACES)
_MATRICES = ("TransformMatrix", "Rotation", "Orientation", "Direction")


def check_header(path: Path, name: str) -> None:
    """ReadError unless the header is sound and its voxels lie in the file or in one beside it.

    `name` is what the file is called in messages.
    """
    text = first_bytes(path, name, count=_HEADER_BYTES).decode("latin-1")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if path.suffix.lower() in (".mha", ".mhd"):
        _check_metaimage(path, name, text)
    else:
        _check_nrrd(path, name, text)


def _check_nrrd(path: Path, name: str, text: str) -> None:
    if not text.startswith("NRRD000"):
        raise _wrong_format(path, name)
    header = text.split("\n\n")[0]
    named = re.findall(r"^\s*data ?file\s*:\s*(.*?)\s*$", header, re.MULTILINE | re.IGNORECASE)
    if named:
        _detached_file(path, name, named)


def _check_metaimage(path: Path, name: str, text: str) -> None:
    """Check each field, in the order of the file; the header ends with ElementDataFile."""
    end = re.search(r"^\s*ElementDataFile[^\n]*(\n|\Z)", text, re.MULTILINE | re.IGNORECASE)
    if end is None or not re.search(r"^NDims\s*=", text, re.MULTILINE):
        raise _wrong_format(path, name)
    lines = [line for line in text[: end.end()].split("\n") if line.strip()]
    pairs = [[part.strip() for part in line.partition("=")[::2]] for line in lines]
    fields = {key: value for key, value in pairs if re.fullmatch(r"\w{1,100}", key)}
    if len(fields) < len(pairs) or not fields.keys() >= {"NDims", "ElementDataFile"}:
        raise _invalid_header(name, "a line that is not a field, or a field twice")
    _check_fields(fields, name)
    data = fields["ElementDataFile"]
    stored = path if data.upper() == "LOCAL" else _detached_file(path, name, [data])
    _check_length(fields, name, stored.stat().st_size - (end.end() if stored == path else 0))


def _check_fields(fields: Mapping[str, str], name: str) -> None:
    """What depends on the number of axes must come after it, and have that many numbers."""
    axes = fields["NDims"]
    if axes not in ("2", "3", "4"):
        raise _invalid_header(name, f"NDims = {axes}")
    order = list(fields)
    sizes = dict.fromkeys(_VECTORS, int(axes)) | dict.fromkeys(_MATRICES, int(axes) ** 2)
    for key in sizes.keys() & fields.keys():
        if len(fields[key].split()) != sizes[key] or order.index(key) < order.index("NDims"):
            raise _invalid_header(name, f"{key} = {fields[key]}")
    if not re.fullmatch(r"[0-9]{1,9}(\s+[0-9]{1,9})*", fields.get("DimSize", "")):
        raise _invalid_header(name, f"DimSize = {fields.get('DimSize', '')}")
    if fields.get("ElementType", "").removesuffix("_ARRAY") not in _BYTES:
        raise _invalid_header(name, f"ElementType = {fields.get('ElementType', '')}")


def _check_length(fields: Mapping[str, str], name: str, available: int) -> None:
    if fields.get("CompressedData", "False").upper().startswith("T"):
        return
    size = _BYTES[fields["ElementType"].removesuffix("_ARRAY")]
    expected = size * math.prod(int(length) for length in fields["DimSize"].split())
    if available < expected:
        raise ReadError(
            f"{name} has {available} of {expected} bytes of voxels; re-export it.",
            headline="Truncated file",
        )


def _detached_file(path: Path, name: str, named: Sequence[str]) -> Path:
    """The one file in the header's folder that holds the voxels."""
    wanted, *more = named
    is_list = wanted.upper().split(" ")[0] in ("LIST", "SKIPLIST") or "%" in wanted
    if more or is_list or wanted in ("", ".", "..") or re.search(r"[/\\:\0]", wanted):
        raise ReadError(
            f"{name} takes its voxels from {wanted!r}. Only one file in its own folder is read; "
            "save header and voxels as one file.",
            headline="Voxels in another folder or in several files",
        )
    data = path.parent / wanted.encode("latin-1").decode("utf-8", "replace")
    first_bytes(data, f"{name} ({data.name})")
    return data


def _invalid_header(name: str, what: str) -> ReadError:
    return ReadError(
        f"{name} has an invalid header ({what[:80]}); re-export it.", headline="Invalid header"
    )


def _wrong_format(path: Path, name: str) -> ReadError:
    ending = path.suffix.lower()
    return ReadError(
        f"{name} is not a {ending} file, despite its name. Convert it.",
        headline=f"Not a {ending} file",
    )
