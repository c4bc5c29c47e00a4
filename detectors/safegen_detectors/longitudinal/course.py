"""All scans of one modality of a series, compared pair by pair."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from pytest_safegen.errors import NotJudged
from pytest_safegen.model import Measure
from safegen_detectors.longitudinal import place_measures
from safegen_detectors.longitudinal.alignment import Alignment, align_pair
from safegen_detectors.longitudinal.change_measures import change_measures
from safegen_detectors.longitudinal.fate_measures import fate_measures
from safegen_detectors.longitudinal.growth_measures import growth_measures
from safegen_detectors.longitudinal.pair_measures import pair_measures
from safegen_detectors.longitudinal.timeline_measures import timeline_measures
from safegen_detectors.longitudinal.timepoints import Timepoint, pairs, timepoints
from safegen_detectors.longitudinal.volumes import followed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_safegen.model import Scan


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

    `depths` holds, a timepoint, how far each voxel of its mask lies outside the body, mm.
    """

    points: tuple[Timepoint, ...]
    pairs: tuple[Pair, ...]
    depths: tuple[NDArray[np.float64] | None, ...]
    others: tuple[Measure, ...]

    @property
    def measures(self) -> tuple[Measure, ...]:
        """All of them, several of one name."""
        return tuple(chain(self.others, *(pair.measures for pair in self.pairs)))


def course_of(scans: Sequence[Scan]) -> Course:
    """Everything about the scans of one modality, in the order of the series.

    Pairs that cannot be compared are counted, and the rest of the check stands.
    """
    points = timepoints(scans)
    compared, refused = _compared(points)
    depths = [place_measures.depth_outside(point) for point in points]
    others = [
        *timeline_measures([point.ref for point in points]),
        *refused,
        *place_measures.mask_measures(points),
        *place_measures.volume_measures(points),
        *place_measures.contrast_measures(points),
        *growth_measures(followed(scans)),
    ]
    for point, depth in zip(points, depths, strict=True):
        others += place_measures.place_measures(point, depth)
    return Course(tuple(points), tuple(compared), tuple(depths), tuple(others))


def _compared(points: Sequence[Timepoint]) -> tuple[list[Pair], list[Measure]]:
    found, problems = [], []
    for earlier, later in pairs(points):
        try:
            found.append(_pair(align_pair(earlier, later)))
        except NotJudged as problem:
            problems.append(f"{later.name} cannot be laid over {earlier.name}: {problem}")
    says = problems[0].rstrip(".") if problems else ""
    return found, [Measure("pairs_not_compared", len(problems), "pairs", says)]


def _pair(aligned: Alignment) -> Pair:
    measures = (*pair_measures(aligned), *change_measures(aligned), *fate_measures(aligned))
    return Pair(aligned, measures)
