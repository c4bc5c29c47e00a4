"""The ranges that the reference allows, and how far a scan is from them.

Everything is learned from the table of scans, a group for each modality. The scale of MR
intensities is arbitrary, so only CT in Hounsfield units is held to the reference's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Self

import numpy as np

from pytest_safegen.api import Measure, NotJudged, ProfileError
from safegen_detectors.integrity.geometry import (
    DIRECTIONS,
    Row,
    Triple,
    along_patient_axes,
    content_volume,
    extents,
    required_number,
)

ALL_SCANS = "*"
"""The group of every reference scan, for a modality that the reference does not name."""

SMALLEST_VOLUME = 1e-3
"""The smallest volume in ml that anything is divided by."""

HOUNSFIELD_AIR = -500.0
"""A cohort whose darkest voxels are typically darker than this is in Hounsfield units."""


@dataclass(frozen=True, slots=True)
class AllowedRange:
    """Values from `low` to `high` are like the reference's."""

    low: float
    high: float

    def distance(self, value: float) -> float:
        """0 in the middle, 1 at the edge, more outside."""
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        return abs(value - middle) / half

    def text(self) -> str:
        """The range as text.

        >>> AllowedRange(0.9, 0.95).text()
        '0.9 to 0.95'
        """
        return f"{self.low:.4g} to {self.high:.4g}"

    def distance_of_log(self, value: float) -> float:
        """As `distance`, on a logarithmic scale; for values above 0."""
        low, high, x = np.log([self.low, self.high, max(value, 1e-9)])
        return AllowedRange(float(low), float(high)).distance(float(x))


def widened_range(values: Sequence[float], *, tolerance: float, sparsity: float) -> AllowedRange:
    """The range of the values, half its width wider on each side, plus a tolerance.

    The margin is width / 2 + `tolerance` + `sparsity` / n, so that a range from a few scans is
    loose. One value in a hundred on each side is left out, as a reference has errors too.
    """
    ordered = sorted(values)
    trim = len(ordered) // 100
    low, high = ordered[trim], ordered[-1 - trim]
    margin = (high - low) / 2 + tolerance + sparsity / len(ordered)
    return AllowedRange(low - margin, high + margin)


def widened_log_range(
    values: Sequence[float], *, tolerance: float, sparsity: float
) -> AllowedRange:
    """As `widened_range`, on a logarithmic scale: a tolerance of 0.02 is about 2 percent."""
    logs = np.log(np.maximum(np.asarray(values, dtype=np.float64), 1e-9))
    allowed = widened_range([float(x) for x in logs], tolerance=tolerance, sparsity=sparsity)
    return AllowedRange(float(np.exp(allowed.low)), float(np.exp(allowed.high)))


Ranges = tuple[AllowedRange, ...]

_QUANTITIES = {"spacing": "voxel spacing", "extent": "field of view"}


@dataclass(frozen=True, slots=True)
class ReferenceRanges:
    """What the reference scans of one modality allow; lengths in mm, volume in ml.

    `spacing` and `extent` run left-right, back-front, foot-head; `darkest` and `spread` are of p1
    and std in HU, None where the scale is arbitrary; `tail` is of (maximum - p1) / (p99 - p1);
    `clips` is True if the reference itself is cut off at its brightest value.
    """

    spacing: Ranges
    extent: Ranges
    volume: AllowedRange
    tail: AllowedRange
    darkest: AllowedRange | None
    spread: AllowedRange | None
    clips: bool

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`, from JSON."""
        return cls(
            spacing=_ranges(facts["spacing"]),
            extent=_ranges(facts["extent"]),
            volume=AllowedRange(**facts["volume"]),
            tail=AllowedRange(**facts["tail"]),
            darkest=AllowedRange(**facts["darkest"]) if facts["darkest"] else None,
            spread=AllowedRange(**facts["spread"]) if facts["spread"] else None,
            clips=facts["clips"],
        )


def _ranges(facts: Iterable[Mapping[str, float]]) -> Ranges:
    return tuple(AllowedRange(**each) for each in facts)


def learn_ranges(rows: Sequence[Row]) -> dict[str, Any]:
    """What the reference allows, group by group, as JSON can hold it."""
    rows = [row for row in rows if row.get("nonfinite_share") != 1.0]
    if not rows:
        raise ProfileError(
            "No reference scan can be read, so nothing can be learned about their grids. "
            "Check the folder given as --safegen-reference.",
            headline="No reference scan can be read",
        )
    modalities = sorted({str(row["modality"]) for row in rows if row.get("modality")})
    groups = {name: [row for row in rows if row.get("modality") == name] for name in modalities}
    return {
        name: asdict(_reference_ranges(members))
        for name, members in ({ALL_SCANS: rows} | groups).items()
    }


def ranges_for(facts: Mapping[str, Any], row: Row) -> ReferenceRanges:
    """What the reference allows for a scan of this modality."""
    modality = str(row.get("modality"))
    return ReferenceRanges.from_facts(facts[modality if modality in facts else ALL_SCANS])


def _reference_ranges(rows: Sequence[Row]) -> ReferenceRanges:
    fixed_scale = in_hounsfield(rows)
    return ReferenceRanges(
        spacing=_range_per_axis(
            [along_patient_axes(row, "spacing") for row in rows], spacing_range
        ),
        extent=_range_per_axis([extents(row) for row in rows], extent_range),
        volume=widened_log_range(
            [content_volume(row) for row in rows], tolerance=0.05, sparsity=1.0
        ),
        tail=widened_log_range([tail_ratio(row) for row in rows], tolerance=0.7, sparsity=0.5),
        darkest=darkest_range([required_number(row, "p1") for row in rows])
        if fixed_scale
        else None,
        spread=deviation_range([required_number(row, "std") for row in rows])
        if fixed_scale
        else None,
        clips=sum(required_number(row, "p99") >= required_number(row, "maximum") for row in rows)
        > len(rows) / 20,
    )


def _range_per_axis(
    triples: Sequence[Triple], allowed: Callable[[Sequence[float]], AllowedRange]
) -> Ranges:
    return tuple(allowed(axis) for axis in zip(*triples, strict=True))


def spacing_range(values: Sequence[float]) -> AllowedRange:
    """What voxel sizes in mm allow: a resampled cohort is held to 2 percent."""
    return widened_log_range(values, tolerance=0.02, sparsity=0.5)


def extent_range(values: Sequence[float]) -> AllowedRange:
    """What fields of view, in mm or in voxels, allow: they vary more than voxel sizes."""
    return widened_log_range(values, tolerance=0.08, sparsity=0.5)


def darkest_range(values: Sequence[float]) -> AllowedRange:
    """What p1 of CT, in HU, allows: another kernel or padding is fine, another scale is not."""
    return widened_range(values, tolerance=200.0, sparsity=500.0)


def deviation_range(values: Sequence[float]) -> AllowedRange:
    """What std of CT, in HU, allows; rescaling to 0..1 or 0..255 is far outside."""
    return widened_log_range(values, tolerance=1.0, sparsity=1.0)


def in_hounsfield(rows: Sequence[Row]) -> bool:
    """Whether intensities have a fixed scale: the cohort is CT by name, or has air as CT has."""
    if all(str(row.get("modality")).casefold() == "ct" for row in rows):
        return True
    return median(required_number(row, "minimum") for row in rows) < HOUNSFIELD_AIR


def tail_ratio(row: Row) -> float:
    """How far the brightest voxel is beyond the bulk: 1 is not at all; has no unit."""
    p1, p99 = required_number(row, "p1"), required_number(row, "p99")
    return (required_number(row, "maximum") - p1) / max(p99 - p1, 1e-9) if p99 > p1 else 1.0


def compare_with_reference(row: Row, ranges: ReferenceRanges) -> tuple[Measure, ...]:
    """How far a scan is from the ranges of the reference; 1 is the edge of the allowed range."""
    measures = [
        _worst_axis("spacing", along_patient_axes(row, "spacing"), ranges.spacing),
        _worst_axis("extent", extents(row), ranges.extent),
    ]
    try:
        return (*measures, _content(row, ranges), _tail(row, ranges), *_hounsfield(row, ranges))
    except NotJudged:
        if row.get("nonfinite_share") == 1.0:
            return tuple(measures)
        raise


def _measure(name: str, value: float, message: str, headline: str) -> Measure:
    return Measure(f"{name}_against_reference", value, "of the allowed range", message, headline)


def _worst_axis(name: str, values: Triple, allowed: Ranges) -> Measure:
    distances = [limit.distance_of_log(x) for limit, x in zip(allowed, values, strict=True)]
    worst = distances.index(max(distances))
    direction = DIRECTIONS[worst].replace("_", "-")
    value, usual, quantity = f"{values[worst]:.4g} mm", allowed[worst].text(), _QUANTITIES[name]
    return _measure(
        name,
        distances[worst],
        f"the {quantity} is {value} {direction}, in the reference {usual} mm",
        f"{quantity.capitalize()} unlike the reference: {value}, usually {usual}",
    )


def _content(row: Row, ranges: ReferenceRanges) -> Measure:
    """How far the scan's content falls short; more than usual may be no more than noise."""
    volume, least = content_volume(row), ranges.volume.low
    return Measure(
        "content_against_reference",
        least / max(volume, SMALLEST_VOLUME),
        "of the least allowed",
        f"only {volume:.4g} ml are brighter than background, in the reference at least "
        f"{least:.4g} ml",
        f"Less tissue than the reference: {volume:.4g} ml, usually over {least:.4g}",
    )


def _tail(row: Row, ranges: ReferenceRanges) -> Measure:
    value, usual = tail_ratio(row), ranges.tail
    if value > usual.high:
        headline = "Voxels far brighter than in the reference"
    else:
        headline = "Brightest voxels unlike the reference"
    return _measure(
        "tail",
        usual.distance_of_log(value),
        f"the brightest voxel stands out {value:.3g} times as far as the 99th percentile, "
        f"in the reference {usual.low:.3g} to {usual.high:.3g} times",
        headline,
    )


def _hounsfield(row: Row, ranges: ReferenceRanges) -> tuple[Measure, ...]:
    """How far CT is from the reference's scale; nothing where the scale is arbitrary."""
    if ranges.darkest is None or ranges.spread is None:
        return ()
    darkest, spread = required_number(row, "p1"), required_number(row, "std")
    by_darkest = ranges.darkest.distance(darkest)
    by_spread = ranges.spread.distance_of_log(spread)
    if by_darkest >= by_spread:
        text = f"the 1st percentile is {darkest:.4g}, in the reference {ranges.darkest.text()} HU"
    else:
        text = f"the standard deviation is {spread:.4g}, in the reference {ranges.spread.text()} HU"
    message = f"{text}: the intensities may have lost their Hounsfield units"
    headline = "Intensities not in Hounsfield units"
    return (_measure("intensity", max(by_darkest, by_spread), message, headline),)
