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
"""A volume in ml that stands for 0 where something is divided by it."""

HOUNSFIELD_AIR = -500.0
"""A cohort whose darkest voxels are typically below this is in Hounsfield units."""

_SCALE_LOST = "the intensities are not on the reference's scale, Hounsfield units may be lost"


@dataclass(frozen=True, slots=True)
class AllowedRange:
    """Values from `low` to `high` are like the reference's."""

    low: float
    high: float

    def distance(self, value: float) -> float:
        """0 in the middle, 1 at the edge, more outside."""
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        return abs(value - middle) / half

    def distance_of_log(self, value: float) -> float:
        """As `distance`, on a logarithmic scale; for values above 0."""
        low, high, x = np.log([self.low, self.high, max(value, 1e-9)])
        return AllowedRange(float(low), float(high)).distance(float(x))


def widened_range(values: Sequence[float], *, tolerance: float, few: float) -> AllowedRange:
    """The range of the values, half its width wider on each side, plus a tolerance.

    The margin is width / 2 + `tolerance` + `few` / n, so that a range known from a few scans is
    held loosely. One value in a hundred on each side is left out, as a reference has errors too.
    """
    ordered = sorted(values)
    trim = len(ordered) // 100
    low, high = ordered[trim], ordered[-1 - trim]
    margin = (high - low) / 2 + tolerance + few / len(ordered)
    return AllowedRange(low - margin, high + margin)


def widened_log_range(values: Sequence[float], *, tolerance: float, few: float) -> AllowedRange:
    """As `widened_range`, on a logarithmic scale: a tolerance of 0.02 is about 2 percent."""
    logs = np.log(np.maximum(np.asarray(values, dtype=np.float64), 1e-9))
    allowed = widened_range([float(x) for x in logs], tolerance=tolerance, few=few)
    return AllowedRange(float(np.exp(allowed.low)), float(np.exp(allowed.high)))


Ranges = tuple[AllowedRange, ...]


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
            "Check the folder given as --safegen-reference."
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
        volume=widened_log_range([content_volume(row) for row in rows], tolerance=0.05, few=1.0),
        tail=widened_log_range([tail_ratio(row) for row in rows], tolerance=0.7, few=0.5),
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
    return widened_log_range(values, tolerance=0.02, few=0.5)


def extent_range(values: Sequence[float]) -> AllowedRange:
    """What fields of view, in mm or in voxels, allow: they vary more than voxel sizes."""
    return widened_log_range(values, tolerance=0.08, few=0.5)


def darkest_range(values: Sequence[float]) -> AllowedRange:
    """What p1 of CT, in HU, allows: another kernel or padding is fine, another scale is not."""
    return widened_range(values, tolerance=200.0, few=500.0)


def deviation_range(values: Sequence[float]) -> AllowedRange:
    """What std of CT, in HU, allows; rescaling to 0..1 or 0..255 is far outside."""
    return widened_log_range(values, tolerance=1.0, few=1.0)


def in_hounsfield(rows: Sequence[Row]) -> bool:
    """Whether intensities have a fixed scale: the cohort is CT by name, or has air as CT has."""
    if all(str(row.get("modality")).casefold() == "ct" for row in rows):
        return True
    return median(required_number(row, "minimum") for row in rows) < HOUNSFIELD_AIR


def tail_ratio(row: Row) -> float:
    """How far the brightest voxel is beyond the bulk: 1 is not at all; has no unit."""
    p1, p99 = required_number(row, "p1"), required_number(row, "p99")
    return (required_number(row, "maximum") - p1) / max(p99 - p1, 1e-9) if p99 > p1 else 1.0


def compare_with_reference(row: Row, usual: ReferenceRanges) -> tuple[Measure, ...]:
    """How far a scan is from what the reference allows; 1 is the edge of the allowed range."""
    measures = [
        _worst_axis("spacing", along_patient_axes(row, "spacing"), usual.spacing, "the voxel size"),
        _worst_axis("extent", extents(row), usual.extent, "the field of view"),
    ]
    try:
        return (*measures, _content(row, usual), _tail(row, usual), *_hounsfield(row, usual))
    except NotJudged:
        if row.get("nonfinite_share") == 1.0:
            return tuple(measures)
        raise


def _measure(name: str, value: float, message: str) -> Measure:
    return Measure(f"{name}_against_reference", value, "of the allowed range", message)


def _worst_axis(name: str, values: Triple, allowed: Ranges, what: str) -> Measure:
    distances = [limit.distance_of_log(x) for limit, x in zip(allowed, values, strict=True)]
    worst = distances.index(max(distances))
    direction = DIRECTIONS[worst].replace("_", "-")
    return _measure(
        name,
        distances[worst],
        f"{what} is {values[worst]:.4g} mm {direction}, {_allowed_text(allowed[worst], 'mm')}",
    )


def _content(row: Row, usual: ReferenceRanges) -> Measure:
    """How much too little of a scan has content; too much may be no more than noise."""
    volume, least = content_volume(row), usual.volume.low
    message = f"only {volume:.4g} ml are not background, the reference has at least {least:.4g} ml"
    return Measure(
        "content_against_reference",
        least / max(volume, SMALLEST_VOLUME),
        "of the least allowed",
        message,
    )


def _tail(row: Row, usual: ReferenceRanges) -> Measure:
    value = tail_ratio(row)
    message = (
        f"the brightest voxel stands out {value:.3g} times as far as the 99th percentile, "
        f"the reference allows up to {usual.tail.high:.3g} times"
    )
    return _measure("tail", usual.tail.distance_of_log(value), message)


def _hounsfield(row: Row, usual: ReferenceRanges) -> tuple[Measure, ...]:
    """How far CT is from the reference's scale; nothing where the scale is arbitrary."""
    if usual.darkest is None or usual.spread is None:
        return ()
    low, deviation = required_number(row, "p1"), required_number(row, "std")
    off, wrong = usual.darkest.distance(low), usual.spread.distance_of_log(deviation)
    if off >= wrong:
        message = f"the darkest percent ends at {low:.4g}, {_allowed_text(usual.darkest, 'HU')}"
    else:
        message = f"the standard deviation is {deviation:.4g}, {_allowed_text(usual.spread, 'HU')}"
    return (_measure("intensity", max(off, wrong), f"{message}: {_SCALE_LOST}"),)


def _allowed_text(allowed: AllowedRange, unit: str) -> str:
    return f"the reference allows {allowed.low:.4g} to {allowed.high:.4g} {unit}"
