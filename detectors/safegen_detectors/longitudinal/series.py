"""Compares the scans of one modality of a series, pair by pair, and gathers their measures."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Literal, get_args

from pytest_safegen.api import Measure, NotJudged
from safegen_detectors.longitudinal.inputs.timepoints import (
    Timepoint,
    prepare_timepoints,
    timepoint_pairs,
)
from safegen_detectors.longitudinal.maths.growth import volume_series
from safegen_detectors.longitudinal.measures.acquisition import (
    declared_grid_measures,
    grid_measures,
    timeline_measures,
)
from safegen_detectors.longitudinal.measures.change import change_measures
from safegen_detectors.longitudinal.measures.copies import copy_measures
from safegen_detectors.longitudinal.measures.deformation import (
    deformation_expected,
    deformation_measures,
    field_measures,
)
from safegen_detectors.longitudinal.measures.global_features import global_feature_measures
from safegen_detectors.longitudinal.measures.growth import growth_measures
from safegen_detectors.longitudinal.measures.identity import identity_measures
from safegen_detectors.longitudinal.measures.lesions import lesion_measures
from safegen_detectors.longitudinal.measures.location import (
    contrast_measures,
    locate_mask,
    mask_measures,
    volume_measures,
)
from safegen_detectors.longitudinal.registration import (
    DEFAULT_IDENTITY_LIMITS,
    Alignment,
    IdentityLimits,
    align_pair,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_safegen.api import Scan


DeformationMode = Literal["auto", "always", "never"]
DEFORMATION_MODES: tuple[DeformationMode, ...] = get_args(DeformationMode)
"""When deformation is estimated: where a lesion changes by 1 ml, always, never."""


@dataclass(frozen=True, slots=True)
class ComparisonOptions:
    """How scans are compared: `identity` holds limits of modalities that have their own."""

    deformation: DeformationMode = "auto"
    identity: Mapping[str, IdentityLimits] = field(default_factory=dict)

    def limits(self, scan: Scan) -> IdentityLimits:
        """The limits of identity for a scan's modality."""
        return self.identity.get(scan.ref.modality or "", DEFAULT_IDENTITY_LIMITS)


DEFAULT_OPTIONS = ComparisonOptions()


@dataclass(frozen=True, slots=True)
class PairComparison:
    """Two timepoints with what was measured between them."""

    aligned: Alignment
    measures: tuple[Measure, ...]

    def value(self, name: str) -> float:
        """A measure by its name; 0 where it was not measured."""
        return next((one.value for one in self.measures if one.name == name), 0.0)


@dataclass(frozen=True, slots=True)
class SeriesComparison:
    """What was found in the scans of one modality.

    `depths` holds, a timepoint, how far in mm each voxel of its mask leaves where it may be.
    """

    points: tuple[Timepoint, ...]
    pairs: tuple[PairComparison, ...]
    depths: tuple[NDArray[np.float64] | None, ...]
    others: tuple[Measure, ...]

    @property
    def measures(self) -> tuple[Measure, ...]:
        """All of them, several of one name."""
        return tuple(chain(self.others, *(pair.measures for pair in self.pairs)))


def compare_series(
    scans: Sequence[Scan], *, how: ComparisonOptions = DEFAULT_OPTIONS
) -> SeriesComparison:
    """Everything about the scans of one modality, in the order of the series.

    Pairs that cannot be compared are counted, and the rest of the check stands.
    """
    points = prepare_timepoints(scans)
    compared, refused = _compare_pairs(points, how)
    where = [locate_mask(point) for point in points]
    others = [
        *timeline_measures([point.ref for point in points]),
        *refused,
        *mask_measures(points, where),
        *volume_measures(points),
        *contrast_measures(points),
        *global_feature_measures(points),
        *growth_measures(volume_series(scans)),
        *field_measures(points),
    ]
    others += [measure for one in where for measure in one.measures]
    depths = tuple(one.depths for one in where)
    return SeriesComparison(tuple(points), tuple(compared), depths, tuple(others))


def _compare_pairs(
    points: Sequence[Timepoint], how: ComparisonOptions
) -> tuple[list[PairComparison], list[Measure]]:
    found, problems = [], []
    for earlier, later in timepoint_pairs(points):
        try:
            aligned = align_pair(earlier, later, limits=how.limits(later.scan))
            found.append(_compare_pair(aligned, how.deformation))
        except NotJudged as problem:
            problems.append(f"{later.name} cannot be laid over {earlier.name}: {problem}")
    message = problems[0].rstrip(".") if problems else ""
    return found, [Measure("pairs_not_compared", len(problems), "pairs", message)]


def _compare_pair(aligned: Alignment, deformation: DeformationMode) -> PairComparison:
    measures = [*pair_measures(aligned), *change_measures(aligned), *lesion_measures(aligned)]
    if deformation == "always" or (deformation == "auto" and deformation_expected(aligned)):
        measures += deformation_measures(aligned)
    return PairComparison(aligned, tuple(measures))


def pair_measures(aligned: Alignment) -> list[Measure]:
    """Everything that two scans of one patient say about each other, lesions aside."""
    return [
        *grid_measures(aligned),
        *declared_grid_measures(aligned),
        *identity_measures(aligned),
        *copy_measures(aligned),
    ]
