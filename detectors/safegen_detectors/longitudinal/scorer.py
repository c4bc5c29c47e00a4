"""Scores series of scans, and draws the maps that explain a score."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_safegen.api import Score, Unexplained
from safegen_detectors.longitudinal.heatmaps import HEATMAPS, series_heatmap, worst_pair
from safegen_detectors.longitudinal.inputs.timepoints import scans_by_modality
from safegen_detectors.longitudinal.limits import low_is_bad
from safegen_detectors.longitudinal.measures.identity import cohort_measures
from safegen_detectors.longitudinal.measures.volume_curve import curve_measures
from safegen_detectors.longitudinal.series import compare_series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_safegen.api import Heatmap, Measure, ScanTarget, SeriesTarget
    from safegen_detectors.longitudinal.registration import Alignment
    from safegen_detectors.longitudinal.series import (
        ComparisonOptions,
        PairComparison,
        SeriesComparison,
    )


@dataclass(frozen=True, slots=True)
class _ScoredSeries:
    """A score with the pair of scans that its explanation shows; None where none was comparable."""

    score: Score
    pair: PairComparison | None


class LongitudinalScorer:
    """Scores series; the one it scored last is explained without comparing its scans again.

    `default_labels` stand in for labels that a scan lacks. What is held between `score` and
    `explain` is one pair of scans with what was measured between them.
    """

    def __init__(self, default_labels: Mapping[str, str], options: ComparisonOptions) -> None:
        self._default_labels = default_labels
        self._options = options
        self._last: _ScoredSeries | None = None

    def score(self, targets: Sequence[SeriesTarget]) -> list[Score]:
        """One score a series, judged by its measures.

        Raises:
            NotJudged: no modality has two readable scans.
        """
        return [self._score(target) for target in targets]

    def explain(self, target: SeriesTarget, score: Score) -> list[Heatmap | Unexplained]:
        """The maps of `HEATMAPS` for the pair of scans that changed most."""
        last = self._last
        if last is not None and last.score is score:
            pair = last.pair
        else:
            pair = worst_pair(_all_pairs(self._compare(self._with_default_labels(target))))
        if pair is None:
            return [Unexplained(name, "no two scans could be compared") for name in HEATMAPS]
        return [draw(pair) for draw in HEATMAPS.values()]

    def _score(self, target: SeriesTarget) -> Score:
        self._last = None  # so that two series are never held at once
        target = self._with_default_labels(target)
        comparisons = self._compare(target)
        pairs = _all_pairs(comparisons)
        aligned = [pair.aligned for pair in pairs]
        found = [measure for one in comparisons for measure in one.measures]
        measures = worst_measures([*found, *cohort_measures(aligned, target)])
        curves = (curve_measures([point.scan for point in one.points]) for one in comparisons)
        measures += next(filter(None, curves), [])
        score = Score(
            None,
            tuple(measures),
            heatmap=series_heatmap(comparisons),
            nearest=_least_similar(aligned),
        )
        self._last = _ScoredSeries(score, worst_pair(pairs))
        return score

    def _compare(self, target: SeriesTarget) -> list[SeriesComparison]:
        """A comparison for each modality."""
        return [compare_series(scans, self._options) for scans in scans_by_modality(target)]

    def _with_default_labels(self, target: SeriesTarget) -> SeriesTarget:
        """The series with the default labels where its own are missing; names of files last."""
        return replace(target, scans=tuple(map(self._labelled, target.scans)))

    def _labelled(self, target: ScanTarget) -> ScanTarget:
        if target.scan is None:
            return target
        own = target.ref.labels
        by_name = {"pathology": own["pathology_by_name"]} if "pathology_by_name" in own else {}
        ref = replace(target.ref, labels={**by_name, **self._default_labels, **own})
        return replace(target, ref=ref, scan=replace(target.scan, ref=ref))


def worst_measures(measures: Sequence[Measure]) -> list[Measure]:
    """One measure a name: the lowest where low is bad, else the highest."""
    by_name: dict[str, list[Measure]] = defaultdict(list)
    for measure in measures:
        by_name[measure.name].append(measure)
    return [
        (min if low_is_bad(name) else max)(same, key=lambda measure: measure.value)
        for name, same in by_name.items()
    ]


def _all_pairs(comparisons: Sequence[SeriesComparison]) -> list[PairComparison]:
    return [pair for one in comparisons for pair in one.pairs]


def _least_similar(aligned: Sequence[Alignment]) -> str | None:
    """The earlier scan of the pair that is least alike."""
    least = min(aligned, key=lambda one: one.similarity.local_match, default=None)
    return None if least is None else least.earlier.ref.target
