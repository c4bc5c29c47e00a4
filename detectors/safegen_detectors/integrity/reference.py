"""What scans of the reference have in common, and how far a scan is from it.

Everything is learned from the table of scans, a group a modality. The scale of MR intensities is
arbitrary, so only CT in Hounsfield units is held to the reference's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Self

from pytest_safegen.api import Measure, NotJudged, ProfileError
from safegen_detectors.integrity.anatomy import (
    DIRECTIONS,
    Row,
    Triple,
    along_body,
    content_volume,
    extents,
    number,
)
from safegen_detectors.integrity.ranges import AllowedRange, widened, widened_in_ratio

ALL = "*"
"""The group of every reference scan, for a modality that the reference does not name."""

SMALLEST = 1e-3
"""A volume in ml that stands for 0 where something is divided by it."""

HOUNSFIELD_AIR = -500.0
"""A cohort whose darkest voxels are typically below this is in Hounsfield units."""

Ranges = tuple[AllowedRange, ...]


@dataclass(frozen=True, slots=True)
class Usual:
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


def learn(rows: Sequence[Row]) -> dict[str, Any]:
    """What the reference allows, group by group, as JSON can hold it."""
    rows = [row for row in rows if row.get("nonfinite_share") != 1.0]
    if not rows:
        raise ProfileError(
            "No reference scan can be read, so nothing can be learned about their grids. "
            "Check the folder given as --safegen-reference."
        )
    modalities = sorted({str(row["modality"]) for row in rows if row.get("modality")})
    groups = {name: [row for row in rows if row.get("modality") == name] for name in modalities}
    return {name: asdict(_usual(members)) for name, members in ({ALL: rows} | groups).items()}


def usual_of(facts: Mapping[str, Any], row: Row) -> Usual:
    """What the reference allows for a scan of this modality."""
    modality = str(row.get("modality"))
    return Usual.from_facts(facts[modality if modality in facts else ALL])


def _usual(rows: Sequence[Row]) -> Usual:
    fixed_scale = in_hounsfield(rows)
    return Usual(
        spacing=_each([along_body(row, "spacing") for row in rows], sizes),
        extent=_each([extents(row) for row in rows], fields),
        volume=widened_in_ratio([content_volume(row) for row in rows], tolerance=0.05, few=1.0),
        tail=widened_in_ratio([tail(row) for row in rows], tolerance=0.7, few=0.5),
        darkest=darkest([number(row, "p1") for row in rows]) if fixed_scale else None,
        spread=spread([number(row, "std") for row in rows]) if fixed_scale else None,
        clips=sum(number(row, "p99") >= number(row, "maximum") for row in rows) > len(rows) / 20,
    )


def _each(triples: Sequence[Triple], allowed: Callable[[Sequence[float]], AllowedRange]) -> Ranges:
    return tuple(allowed(axis) for axis in zip(*triples, strict=True))


def sizes(values: Sequence[float]) -> AllowedRange:
    """What voxel sizes in mm allow: a resampled cohort is held to 2 percent."""
    return widened_in_ratio(values, tolerance=0.02, few=0.5)


def fields(values: Sequence[float]) -> AllowedRange:
    """What fields of view, in mm or in voxels, allow: they vary more than voxel sizes."""
    return widened_in_ratio(values, tolerance=0.08, few=0.5)


def darkest(values: Sequence[float]) -> AllowedRange:
    """What p1 of CT, in HU, allows: another kernel or padding is fine, another scale is not."""
    return widened(values, tolerance=200.0, few=500.0)


def spread(values: Sequence[float]) -> AllowedRange:
    """What std of CT, in HU, allows; rescaling to 0..1 or 0..255 is far outside."""
    return widened_in_ratio(values, tolerance=1.0, few=1.0)


def in_hounsfield(rows: Sequence[Row]) -> bool:
    """Whether intensities have a fixed scale: the cohort is CT by name, or has air as CT has."""
    if all(str(row.get("modality")).casefold() == "ct" for row in rows):
        return True
    return median(number(row, "minimum") for row in rows) < HOUNSFIELD_AIR


def tail(row: Row) -> float:
    """How far the brightest voxel is beyond the bulk: 1 is not at all; has no unit."""
    p1, p99 = number(row, "p1"), number(row, "p99")
    return (number(row, "maximum") - p1) / max(p99 - p1, 1e-9) if p99 > p1 else 1.0


def compare(row: Row, usual: Usual) -> tuple[Measure, ...]:
    """How far a scan is from what the reference allows; 1 is the edge of the allowed range."""
    measures = [
        _worst_axis("spacing", along_body(row, "spacing"), usual.spacing, "the voxel size"),
        _worst_axis("extent", extents(row), usual.extent, "the field of view"),
    ]
    try:
        return (*measures, _content(row, usual), _tail(row, usual), *_hounsfield(row, usual))
    except NotJudged:
        if row.get("nonfinite_share") == 1.0:
            return tuple(measures)
        raise


def _measure(name: str, value: float, says: str) -> Measure:
    return Measure(f"{name}_against_reference", value, "of the allowed range", says)


def _worst_axis(name: str, values: Triple, allowed: Ranges, what: str) -> Measure:
    distances = [limit.distance_of_log(x) for limit, x in zip(allowed, values, strict=True)]
    worst = distances.index(max(distances))
    direction = DIRECTIONS[worst].replace("_", "-")
    return _measure(
        name,
        distances[worst],
        f"{what} is {values[worst]:.4g} mm {direction}, {_allows(allowed[worst], 'mm')}",
    )


def _content(row: Row, usual: Usual) -> Measure:
    """How much too little of a scan has content; too much may be no more than noise."""
    volume, least = content_volume(row), usual.volume.low
    says = f"only {volume:.4g} ml are not background, the reference has at least {least:.4g} ml"
    return Measure(
        "content_against_reference", least / max(volume, SMALLEST), "of the least allowed", says
    )


def _tail(row: Row, usual: Usual) -> Measure:
    value = tail(row)
    says = (
        f"the brightest voxel stands out {value:.3g} times as far as the 99th percentile, "
        f"the reference allows up to {usual.tail.high:.3g} times"
    )
    return _measure("tail", usual.tail.distance_of_log(value), says)


def _hounsfield(row: Row, usual: Usual) -> tuple[Measure, ...]:
    """How far CT is from the reference's scale; nothing where the scale is arbitrary."""
    if usual.darkest is None or usual.spread is None:
        return ()
    low, deviation = number(row, "p1"), number(row, "std")
    off, wrong = usual.darkest.distance(low), usual.spread.distance_of_log(deviation)
    if off >= wrong:
        says = f"the darkest percent ends at {low:.4g}, {_allows(usual.darkest, 'HU')}"
    else:
        says = f"the standard deviation is {deviation:.4g}, {_allows(usual.spread, 'HU')}"
    return (_measure("intensity", max(off, wrong), f"{says}: {_LOST}"),)


_LOST = "the intensities are not on the reference's scale, Hounsfield units may be lost"


def _allows(allowed: AllowedRange, unit: str) -> str:
    return f"the reference allows {allowed.low:.4g} to {allowed.high:.4g} {unit}"
