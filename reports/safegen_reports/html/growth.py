"""A quantity over time, from measures that are named by their month: `lesion_volume@6`.

`NAME@MONTH` is measured; `NAME_stated@MONTH`, `NAME_least@MONTH` and `NAME_most@MONTH` are what
was stated and the range that can be believed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pytest_safegen.api import Finding
from safegen_reports.html.axes import Axis, Mark, axis_of

LEFT, RIGHT, TOP, BOTTOM = 62.0, 548.0, 18.0, 188.0
"""The plot's edges in the units of the picture, which is 560 wide and 236 high."""
STEPS = 40
POINT = re.compile(r"([a-z][a-z_]*?)(_stated|_least|_most)?@(-?\d+(?:\.\d+)?)")

Curve = Mapping[float, float]


@dataclass(frozen=True, slots=True)
class Place:
    """A point of the picture with its month and value."""

    x: float
    y: float
    month: float
    value: float


@dataclass(frozen=True, slots=True)
class Growth:
    """The picture of one quantity: measured points, the stated curve, the band."""

    name: str
    unit: str
    measured: tuple[Place, ...]
    stated: tuple[Place, ...]
    band: tuple[Place, ...]
    months: tuple[Mark, ...]
    values: tuple[Mark, ...]

    @property
    def band_points(self) -> str:
        """The outline of the band, for a polygon."""
        return " ".join(f"{place.x:g},{place.y:g}" for place in self.band)


def growth_of(finding: Finding) -> Growth | None:
    """The picture of the first quantity that was measured at two months or more, if any."""
    curves: dict[str, dict[str, dict[float, float]]] = defaultdict(lambda: defaultdict(dict))
    units = {}
    for measure in finding.measures:
        if match := POINT.fullmatch(measure.name):
            name, kind, month = match[1], match[2] or "", float(match[3])
            curves[name][kind][month] = measure.value
            units[name] = measure.unit
    for name, kinds in curves.items():
        if len(kinds[""]) > 1:
            return _growth(name.replace("_", " "), units[name], kinds)
    return None


def _growth(name: str, unit: str, kinds: Mapping[str, Curve]) -> Growth:
    measured, stated = kinds[""], kinds.get("_stated", {})
    months = axis_of(sorted(measured), [], left=LEFT, right=RIGHT)
    top = 1.15 * max([*measured.values(), *stated.values(), 1e-9])
    values = Axis(0.0, top, BOTTOM, TOP)
    return Growth(
        name,
        unit,
        _places(measured, months, values),
        _places(_smooth(stated), months, values),
        _band(kinds.get("_least", {}), kinds.get("_most", {}), months, values),
        tuple(months.mark(month) for month in sorted(measured)),
        values.ticks,
    )


def _places(curve: Curve, months: Axis, values: Axis) -> tuple[Place, ...]:
    return tuple(
        Place(months.mark(month).x, values.mark(value).x, month, value)
        for month, value in sorted(curve.items())
    )


def _band(least: Curve, most: Curve, months: Axis, values: Axis) -> tuple[Place, ...]:
    """Along the upper edge and back along the lower one, which is zero where nothing is said."""
    above = _smooth(most)
    low = _smooth(least)
    below: Sequence[Place] = _places({m: low.get(m, 0.0) for m in above}, months, values)
    return (*_places(above, months, values), *reversed(below))


def _smooth(curve: Curve) -> Curve:
    """The curve with points between its months, for volumes that grow by a constant factor."""
    points = dict(curve)
    for (first, low), (second, high) in pairwise(sorted(curve.items())):
        if low > 0 and high > 0:
            for step in range(1, STEPS):
                share = step / STEPS
                points[first + share * (second - first)] = low * (high / low) ** share
    return points
