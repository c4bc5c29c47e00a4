"""The longitudinal check: is this one patient, followed over a believable time?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_safegen.api import Fitted, Scope, Score, Unexplained
from safegen_detectors.longitudinal.heatmaps import (
    change_heatmap,
    deformation_heatmap,
    grain_heatmap,
    intensity_heatmap,
    region_heatmap,
    series_heatmap,
    tracking_heatmap,
    worst_pair,
)
from safegen_detectors.longitudinal.inputs.timepoints import scans_by_modality
from safegen_detectors.longitudinal.limits import RULES, low_is_bad
from safegen_detectors.longitudinal.measures.growth import curve_measures
from safegen_detectors.longitudinal.measures.identity import cohort_measures
from safegen_detectors.longitudinal.series import ComparisonOptions, compare_series

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_safegen.api import Heatmap, Measure, Profile, Rule, ScanTarget, SeriesTarget
    from safegen_detectors.longitudinal.registration import Alignment

HEATMAPS = {
    "local-match": change_heatmap,
    "structure-change": region_heatmap,
    "intensity-change": intensity_heatmap,
    "grain": grain_heatmap,
    "lesion-fates": tracking_heatmap,
    "deformation": deformation_heatmap,
}
"""The maps that explain a finding, by name."""


@dataclass(frozen=True)
class LongitudinalDetector:
    """Measures each series pair by pair: consecutive scans of a modality, and first with last.

    Every measure is the worst over the pairs, and its clause names the pair. The copy checks are
    left out where the label `background` is "shared", and the growth checks where masks or months
    are missing. `defaults` are labels of scans that have none of that name. No real scan is needed.
    """

    defaults: Mapping[str, str] = field(default_factory=dict)
    how: ComparisonOptions = field(default_factory=ComparisonOptions)

    name: str = "longitudinal"
    version: str = "3"
    scope: Scope = Scope.SERIES
    needs_profile: bool = False
    rules: Mapping[str, Rule] = field(default_factory=lambda: RULES)

    def fit(self, reference: Iterable[ScanTarget], *, seed: int) -> Fitted:  # noqa: ARG002 - nothing is learned
        """Nothing: limits are published or physical, not fitted."""
        return Fitted()

    def open(
        self,
        profile: Profile | None,  # noqa: ARG002 - nothing is learned
        *,
        device: str,  # noqa: ARG002 - registration runs on the processor
    ) -> LongitudinalDetector:
        """The detector itself, which needs no profile."""
        return self

    def score(self, targets: Sequence[SeriesTarget]) -> list[Score]:
        """One score a series, judged by its measures.

        Raises:
            NotJudged: no modality has two readable scans.
        """
        return [self._score(self._told(target)) for target in targets]

    def explain(
        self,
        target: SeriesTarget,
        score: Score,  # noqa: ARG002 - part of the contract
    ) -> list[Heatmap | Unexplained]:
        """The maps of `HEATMAPS` for the worst pair; the scans are compared again for it."""
        groups = scans_by_modality(self._told(target))
        pairs = [pair for scans in groups for pair in compare_series(scans, how=self.how).pairs]
        if not pairs:
            return [Unexplained(name, "no two scans could be compared") for name in HEATMAPS]
        aligned = worst_pair(pairs).aligned
        return [draw(aligned) for draw in HEATMAPS.values()]

    def _score(self, target: SeriesTarget) -> Score:
        groups = scans_by_modality(target)
        courses = [compare_series(scans, how=self.how) for scans in groups]
        aligned = [pair.aligned for course in courses for pair in course.pairs]
        found = [measure for course in courses for measure in course.measures]
        measures = worst_measures([*found, *cohort_measures(aligned, target)])
        curves = (curve_measures([point.scan for point in course.points]) for course in courses)
        measures += next(filter(None, curves), [])
        nearest = _least_similar(aligned)
        return Score(None, tuple(measures), heatmap=series_heatmap(courses), nearest=nearest)

    def _told(self, target: SeriesTarget) -> SeriesTarget:
        """The series with the default labels where its own are missing; names tell last."""
        return replace(target, scans=tuple(map(self._labelled, target.scans)))

    def _labelled(self, target: ScanTarget) -> ScanTarget:
        if target.scan is None:
            return target
        told = target.ref.labels
        by_name = {"pathology": told["pathology_by_name"]} if "pathology_by_name" in told else {}
        ref = replace(target.ref, labels={**by_name, **self.defaults, **told})
        return replace(target, ref=ref, scan=replace(target.scan, ref=ref))


def worst_measures(measures: Sequence[Measure]) -> list[Measure]:
    """One measure a name: the lowest where low is bad, else the highest."""
    named: dict[str, list[Measure]] = defaultdict(list)
    for measure in measures:
        named[measure.name].append(measure)
    return [
        (min if low_is_bad(name) else max)(same, key=lambda measure: measure.value)
        for name, same in named.items()
    ]


def _least_similar(aligned: Sequence[Alignment]) -> str | None:
    """The earlier scan of the pair that is least alike."""
    least = min(aligned, key=lambda one: one.likeness.local_match, default=None)
    return None if least is None else least.earlier.ref.target
