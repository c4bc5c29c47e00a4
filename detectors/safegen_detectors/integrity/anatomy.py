"""Grid facts along the patient's axes, whatever the order in which a file stores them."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_safegen.api import NotJudged

Row = Mapping[str, float | str | None]
"""One row of the table of scans."""

Triple = tuple[float, float, float]

DIRECTIONS = ("left_right", "back_front", "foot_head")
"""The patient's axes, in the order of the world axes x, y, z."""

_LETTERS = ("LR", "AP", "IS")


def number(row: Row, name: str) -> float:
    """A fact that must be a number; `NotJudged` if it is unknown."""
    value = row.get(name)
    if isinstance(value, int | float):
        return float(value)
    raise NotJudged(
        f"The table of scans has no number '{name}' for {row.get('target') or 'this scan'}, "
        f"so it cannot be compared with the reference."
    )


def along_body(row: Row, name: str) -> Triple:
    """The facts `name`_i, _j, _k ordered left-right, back-front, foot-head."""
    stored = [number(row, f"{name}_{axis}") for axis in "ijk"]
    first, second, third = axis_order(str(row.get("orientation")))
    return stored[first], stored[second], stored[third]


def axis_order(orientation: str) -> tuple[int, int, int]:
    """Which voxel axis runs along x, y and z, for a code such as "LPS"; (0, 1, 2) if unknown."""
    places = [
        [place for place, letter in enumerate(orientation) if letter in letters]
        for letters in _LETTERS
    ]
    if len(orientation) != 3 or any(len(place) != 1 for place in places):
        return 0, 1, 2
    return places[0][0], places[1][0], places[2][0]


def extents(row: Row) -> Triple:
    """The size of the field of view in mm: left-right, back-front, foot-head."""
    x, y, z = (
        count * spacing
        for count, spacing in zip(along_body(row, "shape"), along_body(row, "spacing"), strict=True)
    )
    return x, y, z


def content_volume(row: Row) -> float:
    """The volume in ml of what is above the scan's smallest value."""
    x, y, z = extents(row)
    return x * y * z * (1.0 - number(row, "background_share")) / 1000.0
