"""The longitudinal check: is this one patient, followed over a believable time?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from pytest_safegen.model import Fitted, Scope, Score
from safegen_detectors.longitudinal import heat, place_measures
from safegen_detectors.longitudinal.alignment import align_pair
from safegen_detectors.longitudinal.curve import curve_measures
from safegen_detectors.longitudinal.fate_measures import fate_measures
from safegen_detectors.longitudinal.growth_measures import growth_measures
from safegen_detectors.longitudinal.pair_measures import pair_measures
from safegen_detectors.longitudinal.rules import (
    DEPTH_OUTSIDE_LIMIT,
    EQUAL_SHARE_LIMIT,
    RULES,
    low_is_bad,
)
from safegen_detectors.longitudinal.timeline_measures import timeline_measures
from safegen_detectors.longitudinal.timepoints import pairs, scans_by_modality, timepoints
from safegen_detectors.longitudinal.volumes import followed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_safegen.model import (
        Heatmap,
        Measure,
        Profile,
        Rule,
        Scan,
        ScanTarget,
        SeriesTarget,
    )
    from safegen_detectors.longitudinal.alignment import Alignment
    from safegen_detectors.longitudinal.timepoints import Timepoint


@dataclass(frozen=True)
class LongitudinalDetector:
    """Measures each series pair by pair: consecutive scans of a modality, and first with last.

    Every measure is the worst over the pairs, and its clause names the pair. The copy checks are
    left out where the label `background` is "shared", the noise check where pixels exceed 1 mm,
    and the growth checks where masks or months are missing. No real scan is needed.
    """

    name: str = "longitudinal"
    version: str = "2"
    scope: Scope = Scope.SERIES
    needs_profile: bool = False
    rules: Mapping[str, Rule] = field(default_factory=lambda: RULES)

    def fit(self, reference: Iterable[ScanTarget], *, seed: int) -> Fitted:  # noqa: ARG002 - nothing is learned
        """Nothing: limits are published or physical, not fitted."""
        return Fitted()

    def score(
        self,
        targets: Sequence[SeriesTarget],
        profile: Profile | None,  # noqa: ARG002 - part of the contract
        *,
        device: str,  # noqa: ARG002 - part of the contract
    ) -> list[Score]:
        """One score a series, judged by its measures.

        Raises:
            NotJudged: no modality has two readable scans, or two scans show no common anatomy.
        """
        return [_score(target) for target in targets]


@dataclass(frozen=True, slots=True)
class _Followed:
    """What was found in the scans of one modality; `copies` are the pairs that repeat voxels."""

    measures: tuple[Measure, ...]
    alignments: tuple[Alignment, ...]
    copies: tuple[Alignment, ...]
    points: tuple[Timepoint, ...]
    depths: tuple[NDArray[np.float64] | None, ...]


def _score(target: SeriesTarget) -> Score:
    groups = [_followed(scans) for scans in scans_by_modality(target)]
    measures = worst_of([measure for group in groups for measure in group.measures])
    curves = (curve_measures([point.scan for point in group.points]) for group in groups)
    measures += next(filter(None, curves), [])
    alignments = [aligned for group in groups for aligned in group.alignments]
    least = min(alignments, key=lambda aligned: aligned.likeness.local_match)
    return Score(
        None,
        tuple(measures),
        heatmap=_heatmap(groups, least),
        nearest=least.earlier.ref.target,
    )


def worst_of(measures: Sequence[Measure]) -> list[Measure]:
    """One measure a name: the lowest where low is bad, else the highest."""
    named: dict[str, list[Measure]] = defaultdict(list)
    for measure in measures:
        named[measure.name].append(measure)
    return [
        (min if low_is_bad(name) else max)(same, key=lambda measure: measure.value)
        for name, same in named.items()
    ]


def _followed(scans: Sequence[Scan]) -> _Followed:
    points = timepoints(scans)
    alignments = [align_pair(earlier, later) for earlier, later in pairs(points)]
    by_pair = [[*pair_measures(aligned), *fate_measures(aligned)] for aligned in alignments]
    depths = [place_measures.depth_outside(point) for point in points]
    by_point = [
        place_measures.place_measures(point, depth)
        for point, depth in zip(points, depths, strict=True)
    ]
    whole = timeline_measures([point.ref for point in points])
    whole += place_measures.volume_measures(points)
    whole += place_measures.contrast_measures(points)
    whole += growth_measures(followed(scans))
    repeated = [one for one, found in zip(alignments, by_pair, strict=True) if _repeats(found)]
    return _Followed(
        tuple(chain(whole, *by_pair, *by_point)),
        tuple(alignments),
        tuple(repeated),
        tuple(points),
        tuple(depths),
    )


def _repeats(measures: Sequence[Measure]) -> bool:
    return any(
        measure.name == "equal_share" and measure.value > EQUAL_SHARE_LIMIT for measure in measures
    )


def _heatmap(groups: Sequence[_Followed], least: Alignment) -> Heatmap:
    """Another patient, else a mask that leaves the body, else a copy, else the largest change."""
    if least.likeness.votes > 1:
        return heat.change_heatmap(least)
    point, depths = _deepest(groups)
    if point is not None and depths.max() > DEPTH_OUTSIDE_LIMIT:
        return heat.outside_heatmap(point, depths)
    copied = [aligned for group in groups for aligned in group.copies]
    return heat.copy_heatmap(copied[0]) if copied else heat.change_heatmap(least)


def _deepest(groups: Sequence[_Followed]) -> tuple[Timepoint | None, NDArray[np.float64]]:
    """The scan whose mask goes farthest outside the body."""
    masked = [
        (point, depths)
        for group in groups
        for point, depths in zip(group.points, group.depths, strict=True)
        if depths is not None
    ]
    return max(masked, key=lambda pair: pair[1].max(), default=(None, np.zeros(1)))
