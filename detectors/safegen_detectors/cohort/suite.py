"""Suites of expectations: derived from the reference's table, or read from a JSON file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_safegen.api import NotJudged, ProfileError, UsageProblem
from safegen_detectors.integrity.geometry import DIRECTIONS, Row, along_patient_axes, extents
from safegen_detectors.integrity.reference import (
    AllowedRange,
    darkest_range,
    deviation_range,
    extent_range,
    in_hounsfield,
    spacing_range,
    widened_range,
)

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]  # it ships no types


BODY_AXES = tuple(
    f"{name}_{direction}" for name in ("spacing", "shape", "extent") for direction in DIRECTIONS
)
"""Columns along the patient's axes, whatever the order of a file's axes."""

Expectation = Mapping[str, Any]
"""One expectation as great-expectations exports it: type, kwargs, severity, meta, notes."""

CRITICAL, WARNING = "critical", "warning"

INTENSITIES = ("minimum", "p1", "median", "p99", "maximum", "mean", "std")

ESSENTIAL = (
    *("target", "subject", "orientation", "stored_type"),
    *(f"{name}_{axis}" for name in ("shape", "spacing") for axis in "ijk"),
    *INTENSITIES,
)
"""Columns that must have a value in every row."""

HOUNSFIELD_RANGES = {"p1": darkest_range, "std": deviation_range}
"""The intensities that show whether CT is in Hounsfield units, with their ranges."""

SHAPE_NOTE = "Voxel size and field of view are judged; another number of voxels only warns."
CT_NOTE = "On CT this depends on what is in the field of view, so another range only warns."
MR_NOTE = "The scale of MR intensities is arbitrary, so another range only warns."

_EXPORT_HINT = "Write it with json.dump(suite.to_json_dict(), file)."


def with_body_axes(row: Row) -> Row:
    """The row with the columns `BODY_AXES` added; None where the grid is unknown."""
    try:
        values = (
            *along_patient_axes(row, "spacing"),
            *along_patient_axes(row, "shape"),
            *extents(row),
        )
    except NotJudged:
        return {**row, **dict.fromkeys(BODY_AXES)}
    return {**row, **dict(zip(BODY_AXES, values, strict=True))}


def to_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """The table as a pandas frame, rows numbered from 0; infinite numbers become unknown."""
    import pandas as pd

    return pd.DataFrame([_finite(with_body_axes(row)) for row in rows])


def _finite(row: Row) -> Mapping[str, float | str | None]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }


def derive_expectations(rows: Sequence[Row]) -> list[Expectation]:
    """The expectations on a release's table that follow from the reference's."""
    if not rows:
        raise ProfileError(
            "No reference scan can be read, so nothing can be expected of a release's table. "
            "Check the folder given as --safegen-reference.",
            headline="No reference scan can be read",
        )
    table = [with_body_axes(row) for row in rows]
    return [
        *(
            _expectation("expect_column_values_to_not_be_null", name, CRITICAL)
            for name in ESSENTIAL
        ),
        _expectation("expect_column_values_to_be_unique", "target", CRITICAL),
        *_geometry(table),
        *_in_sets(table),
        *_intensities(table),
    ]


def _geometry(table: Sequence[Row]) -> Iterable[Expectation]:
    for direction in DIRECTIONS:
        for name, allowed in (("spacing", spacing_range), ("extent", extent_range)):
            if values := _known(table, f"{name}_{direction}"):
                yield _between(f"{name}_{direction}", allowed(values), CRITICAL)
        if values := _known(table, f"shape_{direction}"):
            yield _between(f"shape_{direction}", extent_range(values), WARNING, notes=SHAPE_NOTE)


def _in_sets(table: Sequence[Row]) -> Iterable[Expectation]:
    for column, severity in (
        ("modality", CRITICAL),
        ("orientation", WARNING),
        ("stored_type", WARNING),
    ):
        values = sorted({str(row[column]) for row in table if row.get(column)})
        if values:
            yield _expectation(
                "expect_column_values_to_be_in_set", column, severity, value_set=values
            )


def _intensities(table: Sequence[Row]) -> Iterable[Expectation]:
    fixed = in_hounsfield(table)
    for column in INTENSITIES:
        values = _known(table, column)
        if values and fixed and column in HOUNSFIELD_RANGES:
            yield _between(column, HOUNSFIELD_RANGES[column](values), CRITICAL)
        elif values:
            tolerance = 0.05 * max(abs(value) for value in values)
            allowed = widened_range(values, tolerance=tolerance, sparsity=5 * tolerance)
            yield _between(column, allowed, WARNING, notes=CT_NOTE if fixed else MR_NOTE)


def _known(table: Sequence[Row], column: str) -> list[float]:
    values = (row.get(column) for row in table)
    return [float(value) for value in values if isinstance(value, int | float)]


def _between(column: str, allowed: AllowedRange, severity: str, *, notes: str = "") -> Expectation:
    kwargs = {"min_value": allowed.low, "max_value": allowed.high}
    expectation = _expectation("expect_column_values_to_be_between", column, severity, **kwargs)
    return {**expectation, "notes": notes} if notes else expectation


def _expectation(type_: str, column: str, severity: str, **kwargs: Any) -> Expectation:
    return {"type": type_, "kwargs": {"column": column, **kwargs}, "severity": severity, "meta": {}}


def load_suite(path: Path) -> list[Expectation]:
    """The expectations of an exported suite.

    Raises:
        UsageProblem: no such file, not a suite, or one with row conditions.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise UsageProblem(f"The suite {path} cannot be read: {problem.strerror}.") from problem
    except ValueError as problem:
        raise UsageProblem(f"The suite {path} is not JSON ({problem}). {_EXPORT_HINT}") from problem
    listed = content.get("expectations") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not listed:
        raise UsageProblem(f"The file {path} holds no list 'expectations'. {_EXPORT_HINT}")
    return [_check_expectation(path, each) for each in listed]


def _check_expectation(path: Path, expectation: Any) -> Expectation:
    if (
        not isinstance(expectation, dict)
        or not isinstance(expectation.get("type"), str)
        or not isinstance(expectation.get("kwargs"), dict)
    ):
        raise UsageProblem(f"An expectation in {path} has no 'type' or no 'kwargs'. {_EXPORT_HINT}")
    if expectation["kwargs"].get("row_condition"):
        raise UsageProblem(
            f"The suite {path} has a row_condition in {expectation['type']}. Such conditions are "
            f"run as code, so they are refused: remove it."
        )
    return expectation
