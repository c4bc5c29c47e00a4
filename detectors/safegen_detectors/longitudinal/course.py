"""All scans of one modality of a series, compared pair by pair."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Literal, get_args

from pytest_safegen.api import Measure, NotJudged
from safegen_detectors.longitudinal import place_measures
from safegen_detectors.longitudinal.alignment import (
    DEFAULT_LIMITS,
    Alignment,
    IdentityLimits,
    align_pair,
)
from safegen_detectors.longitudinal.change_measures import change_measures
from safegen_detectors.longitudinal.deformation_measures import (
    asked_of,
    deformation_measures,
    field_measures,
)
from safegen_detectors.longitudinal.fate_measures import fate_measures
from safegen_detectors.longitudinal.growth_measures import growth_measures
from safegen_detectors.longitudinal.pair_measures import pair_measures
from safegen_detectors.longitudinal.timeline_measures import timeline_measures
from safegen_detectors.longitudinal.timepoints import Timepoint, pairs, timepoints
from safegen_detectors.longitudinal.volumes import followed
from safegen_detectors.longitudinal.whole_measures import whole_measures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_safegen.api import Scan

Deformation = Literal["auto", "always", "never"]
DEFORMATION: tuple[Deformation, ...] = get_args(Deformation)
"""When deformation is estimated: where a lesion changes by 1 ml, always, never."""


@dataclass(frozen=True, slots=True)
class How:
    """How scans are compared: `identity` holds limits of modalities that have their own."""

    deformation: Deformation = "auto"
    identity: Mapping[str, IdentityLimits] = field(default_factory=dict)

    def limits(self, scan: Scan) -> IdentityLimits:
        """The limits of identity for a scan's modality."""
        return self.identity.get(scan.ref.modality or "", DEFAULT_LIMITS)


DEFAULT = How()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two timepoints with what was measured between them."""

    aligned: Alignment
    measures: tuple[Measure, ...]

    def value(self, name: str) -> float:
        """A measure by its name; 0 where it was not measured."""
        return next((one.value for one in self.measures if one.name == name), 0.0)


@dataclass(frozen=True, slots=True)
class Course:
    """What was found in the scans of one modality.

    `depths` holds, a timepoint, how far in mm each voxel of its mask leaves where it may be.
    """

    points: tuple[Timepoint, ...]
    pairs: tuple[Pair, ...]
    depths: tuple[NDArray[np.float64] | None, ...]
    others: tuple[Measure, ...]

    @property
    def measures(self) -> tuple[Measure, ...]:
        """All of them, several of one name."""
        return tuple(chain(self.others, *(pair.measures for pair in self.pairs)))


def course_of(scans: Sequence[Scan], *, how: How = DEFAULT) -> Course:
    """Everything about the scans of one modality, in the order of the series.

    Pairs that cannot be compared are counted, and the rest of the check stands.
    """
    points = timepoints(scans)
    compared, refused = _compared(points, how)
    where = [place_measures.placed(point) for point in points]
    others = [
        *timeline_measures([point.ref for point in points]),
        *refused,
        *place_measures.mask_measures(points, where),
        *place_measures.volume_measures(points),
        *place_measures.contrast_measures(points),
        *whole_measures(points),
        *growth_measures(followed(scans)),
        *field_measures(points),
    ]
    others += [measure for one in where for measure in one.measures]
    depths = tuple(one.depths for one in where)
    return Course(tuple(points), tuple(compared), depths, tuple(others))


def _compared(points: Sequence[Timepoint], how: How) -> tuple[list[Pair], list[Measure]]:
    found, problems = [], []
    for earlier, later in pairs(points):
        try:
            aligned = align_pair(earlier, later, limits=how.limits(later.scan))
            found.append(_pair(aligned, how.deformation))
        except NotJudged as problem:
            problems.append(f"{later.name} cannot be laid over {earlier.name}: {problem}")
    says = problems[0].rstrip(".") if problems else ""
    return found, [Measure("pairs_not_compared", len(problems), "pairs", says)]


def _pair(aligned: Alignment, deformation: Deformation) -> Pair:
    measures = [*pair_measures(aligned), *change_measures(aligned), *fate_measures(aligned)]
    if deformation == "always" or (deformation == "auto" and asked_of(aligned)):
        measures += deformation_measures(aligned)
    return Pair(aligned, tuple(measures))
