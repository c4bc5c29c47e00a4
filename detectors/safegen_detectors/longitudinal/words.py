"""Phrases that several sentences of this check share."""

from __future__ import annotations

import math
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_safegen.api import ScanRef

NOTHING = frozenset(
    {"", "n/a", "na", "nan", "none", "no", "false", "0", "unknown", "untreated"}
    | {"healthy", "control", "healthy control", "normal"}
)


def name_of(ref: ScanRef) -> str:
    """What a sentence calls a scan: its session, its month or its file."""
    modality = f" ({ref.modality})" if ref.modality else ""
    if ref.session is not None:
        return f"session {ref.session.removeprefix('ses-')}{modality}"
    if ref.months is not None:
        return f"month {ref.months:g}{modality}"
    return PurePosixPath(ref.target).name


def label(labels: Mapping[str, str], key: str) -> str | None:
    """A label as lower-case text; None where it is missing, "n/a", "no" or the like."""
    text = labels.get(key, "").strip().lower()
    return None if text in NOTHING else text


def positive(text: str | None) -> float | None:
    """A number above zero and finite; None of any other text."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 < number < math.inf else None


def place(coordinates: Sequence[float]) -> str:
    """A point in mm, RAS+, as a sentence gives it."""
    x, y, z = (round(float(value)) for value in coordinates)
    return f"({x}, {y}, {z}) mm"


def days(number: float) -> str:
    """A time span in the unit that people use for one so long."""
    if number < 10:
        return f"{number:.1f} days"
    return f"{number:.0f} days" if number < 730 else f"{number / 365.25:.1f} years"
