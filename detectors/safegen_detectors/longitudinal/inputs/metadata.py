"""Reads the labels of a scan: text, positive numbers, treatment, and the files they name."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from pytest_safegen.api import ReadError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_safegen.api import ScanRef


MISSING_VALUES = frozenset(
    {"", "n/a", "na", "nan", "none", "no", "false", "0", "unknown", "untreated"}
    | {"healthy", "control", "healthy control", "normal"}
)

NOT_TREATED = r"(?:not?|none|never|without|planned|pre)\b|-$"


def scan_name(ref: ScanRef) -> str:
    """What a message calls a scan: its session, its month or its file."""
    modality = f" ({ref.modality})" if ref.modality else ""
    if ref.session is not None:
        return f"session {ref.session.removeprefix('ses-')}{modality}"
    if ref.months is not None:
        return f"month {ref.months:g}{modality}"
    return PurePosixPath(ref.target).name


def read_label(labels: Mapping[str, str], key: str) -> str | None:
    """A label as lower-case text; None where it is missing, "n/a", "no" or the like."""
    text = labels.get(key, "").strip().lower()
    return None if text in MISSING_VALUES else text


def positive_number(text: str | None) -> float | None:
    """A finite number above zero; None for any other text."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 < number < math.inf else None


def is_treated(labels: Mapping[str, str]) -> bool:
    """True where the labels report a treatment or a resection that was done, not planned."""
    texts = [read_label(labels, key) for key in ("treated", "resected")]
    return any(text is not None and not re.match(NOT_TREATED, text) for text in texts)


def referenced_file(ref: ScanRef, column: str) -> ScanRef:
    """The file that a scan's column names, relative to the data folder and inside it.

    Raises:
        ReadError: the path is absolute or leaves the folder.
    """
    text = ref.labels[column].strip()
    name = PurePosixPath(text)
    if name.is_absolute() or PureWindowsPath(text).anchor or ".." in name.parts or "\0" in text:
        raise ReadError(
            f"{text!r} is not inside the data folder; write its path relative to that folder, "
            "without '..'."
        )
    root = ref.path.parents[len(PurePosixPath(ref.target).parts) - 1]
    return replace(ref, path=root / name, target=name.as_posix(), mask=None)
