"""The table of scans, as expectations see it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_safegen.api import NotJudged
from safegen_detectors.integrity.anatomy import DIRECTIONS, Row, along_body, extents

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]  # it ships no types

BODY_AXES = tuple(
    f"{name}_{direction}" for name in ("spacing", "shape", "extent") for direction in DIRECTIONS
)
"""Columns along the patient's axes: they do not change with the order of a file's axes."""


def with_body_axes(row: Row) -> Row:
    """The row with the columns `BODY_AXES` added; None where the grid is unknown."""
    try:
        values = (*along_body(row, "spacing"), *along_body(row, "shape"), *extents(row))
    except NotJudged:
        return {**row, **dict.fromkeys(BODY_AXES)}
    return {**row, **dict(zip(BODY_AXES, values, strict=True))}


def frame_of(rows: Sequence[Row]) -> pd.DataFrame:
    """The table as a pandas frame, rows numbered from 0; infinite numbers are unknown too."""
    import pandas as pd

    return pd.DataFrame([_finite(with_body_axes(row)) for row in rows])


def _finite(row: Row) -> Mapping[str, float | str | None]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
