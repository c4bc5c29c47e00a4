"""Compares the scans of one modality of a series pair by pair, and collects their measures."""

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
    TissueMotion,
    deformation_expected,
    deformation_measures,
    estimate_motion,
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
"""When deformation is estimated: where a lesion changes by 1 ml, always, or never."""


@dataclass(frozen=True, slots=True)
class ComparisonOptions:
    """How scans are compared: `identity` holds limits of modalities that have their own."""

    deformation: DeformationMode = "auto"
    identity: Mapping[str, IdentityLimits] = field(default_factory=dict)

    def limits(self, scan: Scan) -> IdentityLimits:
        """The limits of identity of a scan's modality."""
        return self.identity.get(scan.ref.modality or "", DEFAULT_IDENTITY_LIMITS)


DEFAULT_OPTIONS = ComparisonOptions()


@dataclass(frozen=True, slots=True)
class PairComparison:
    """Two timepoints with what was measured between them; `motion` is None if not estimated."""

    aligned: Alignment
    measures: tuple[Measure, ...]
    motion: TissueMotion | None = None

    def value(self, name: str) -> float:
        """A measure by its name; 0 where it was not measured."""
        return next((one.value for one in self.measures if one.name == name), 0.0)


@dataclass(frozen=True, slots=True)
class SeriesComparison:
    """The scans of one modality with everything measured of them.

    `depths` holds for each timepoint how deep in mm each voxel of its mask is outside its region.
    """

    points: tuple[Timepoint, ...]
    pairs: tuple[PairComparison, ...]
    depths: tuple[NDArray[np.float64] | None, ...]
    others: tuple[Measure, ...]

    @property
    def measures(self) -> tuple[Measure, ...]:
        """All measures, several of one name."""
        return tuple(chain(self.others, *(pair.measures for pair in self.pairs)))


def compare_series(
    scans: Sequence[Scan], options: ComparisonOptions = DEFAULT_OPTIONS
) -> SeriesComparison:
    """Everything measured of the scans of one modality, in the order of the series.

    Pairs that cannot be compared are counted, and the others are still measured.
    """
    points = prepare_timepoints(scans)
    compared, not_compared = _compare_pairs(points, options)
    locations = [locate_mask(point) for point in points]
    others = [
        *timeline_measures([point.ref for point in points]),
        not_compared,
        *mask_measures(points, locations),
        *volume_measures(points),
        *contrast_measures(points),
        *global_feature_measures(points),
        *growth_measures(volume_series(scans)),
        *field_measures(points),
    ]
    others += [measure for one in locations for measure in one.measures]
    depths = tuple(one.depths for one in locations)
    return SeriesComparison(tuple(points), tuple(compared), depths, tuple(others))


def _compare_pairs(
    points: Sequence[Timepoint], options: ComparisonOptions
) -> tuple[list[PairComparison], Measure]:
    found, problems = [], []
    for earlier, later in timepoint_pairs(points):
        try:
            aligned = align_pair(earlier, later, limits=options.limits(later.scan))
            found.append(_compare_pair(aligned, options.deformation))
        except NotJudged as problem:
            problems.append(f"{later.name} cannot be registered to {earlier.name}: {problem}")
    message = problems[0].rstrip(".") if problems else ""
    headline = "Timepoints cannot be registered"
    return found, Measure("pairs_not_compared", len(problems), "pairs", message, headline)


def _compare_pair(aligned: Alignment, deformation: DeformationMode) -> PairComparison:
    measures = [*pair_measures(aligned), *change_measures(aligned), *lesion_measures(aligned)]
    motion = None
    if deformation == "always" or (deformation == "auto" and deformation_expected(aligned)):
        motion = estimate_motion(aligned)
        measures += deformation_measures(aligned, motion)
    return PairComparison(aligned, tuple(measures), motion)


def pair_measures(aligned: Alignment) -> list[Measure]:
    """Grid, identity and copying of two scans; lesions and local change are measured apart."""
    return [
        *grid_measures(aligned),
        *declared_grid_measures(aligned),
        *identity_measures(aligned),
        *copy_measures(aligned),
    ]
