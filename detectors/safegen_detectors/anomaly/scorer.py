"""Score and explain scans with one profile, opened once."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_safegen.api import Heatmap, Profile, ScanTarget, Score, Unexplained
from safegen_detectors.anomaly.explain.maps import Explainer, open_explainer
from safegen_detectors.anomaly.methods.base import Method, Reading
from safegen_detectors.anomaly.model import AnomalyModel, open_model
from safegen_detectors.anomaly.options import SEGMENTATION
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.samples import sample_of
from safegen_detectors.anomaly.score import fused_readings, score_of
from safegen_detectors.threads import one_thread_each


class AnomalyScorer:
    """Scores scans, and explains them by the maps named in `explanations`.

    The reading of the scan scored last is held, so that explaining that scan reads it no second
    time; the gate explains a scan right after its verdict.
    """

    def __init__(
        self, model: AnomalyModel, explainer: Explainer | None, explanations: Sequence[str]
    ) -> None:
        self._model = model
        self._explainer = explainer
        self._explanations = explanations
        self._last: tuple[ScanTarget, NormalizedSample, Reading] | None = None

    def score(self, targets: Sequence[ScanTarget]) -> Sequence[Score]:
        """One score a scan, with the map of what departs."""
        with one_thread_each():
            return [self._score(target) for target in targets]

    def explain(self, target: ScanTarget, score: Score) -> Sequence[Heatmap | Unexplained]:  # noqa: ARG002  the maps are the same whatever the score
        """The maps of one scan, in the order of `explanations`."""
        if self._explainer is None:
            return []
        with one_thread_each():
            normalized, reading = self._reading_of(target, self._explainer)
            return self._explainer.explain(target, normalized, reading, self._explanations)

    def _score(self, target: ScanTarget) -> Score:
        self._last = None  # before the next scan's maps are made, so that only one scan's are held
        fused = fused_readings(target, self._model)
        if self._explainer is not None:
            self._last = (target, fused.normalized.compacted(), fused.readings[SEGMENTATION])
        return score_of(target, fused, self._model)

    def _reading_of(
        self, target: ScanTarget, explainer: Explainer
    ) -> tuple[NormalizedSample, Reading]:
        if self._last is not None and self._last[0] is target:
            return self._last[1:]
        normalized = self._model.normalized(sample_of(target))
        return normalized, explainer.segmentation.read(normalized)


def open_scorer(
    profile: Profile, methods: Sequence[Method], explanations: Sequence[str], *, device: str
) -> AnomalyScorer:
    """The scorer of a profile, with its networks built and on the device."""
    model = open_model(profile, methods, device=device)
    explainer = (
        open_explainer(profile, model.readers, model.reference, device=device)
        if explanations
        else None
    )
    return AnomalyScorer(model, explainer, explanations)
