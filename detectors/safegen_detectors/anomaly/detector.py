"""The anomaly check: how far a scan departs, anywhere or as a whole, from real scans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_safegen.api import Fitted, NotJudged, Profile, Rule, ScanTarget, Scope
from safegen_detectors.anomaly.options import (
    DEFAULT_EXPLANATIONS,
    DEFAULT_METHODS,
    methods_named,
)

if TYPE_CHECKING:
    from safegen_detectors.anomaly.scorer import AnomalyScorer

RULES: Mapping[str, Rule] = {
    "score": Rule(false_alarm_rate=0.025, source="calibrated"),
    "excluded_share": Rule(
        warn_above=0.1,
        fail_above=0.3,
        source="engineering default: annotated pathology is rarely larger",
    ),
}


@dataclass(frozen=True)
class AnomalyDetector:
    """Several methods on one scale; the score is the largest departure of any.

    `methods` are names from `options.METHOD_NAMES`; `options` hold the options of each by its name;
    `explanations` are the maps made for scans that do not pass, and `explanation_volumes` the
    number of corrupted scans they are learned from, 0 for none. `device` is where it learns.
    Annotated pathology is not judged.
    """

    methods: tuple[str, ...] = DEFAULT_METHODS
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    explanations: tuple[str, ...] = DEFAULT_EXPLANATIONS
    explanation_volumes: int = 40
    device: str = "auto"

    name = "anomaly"
    version = "3"
    scope = Scope.SCAN
    needs_profile = True
    rules = RULES
    code = ("safegen_detectors.anomaly", "safegen_detectors.explain", "safegen_detectors.threads")
    libraries = ("torch", "monai", "shap")

    def fit(self, reference: Iterable[ScanTarget], *, seed: int) -> Fitted:
        """What the methods learn from real scans, and the scores of those, held out."""
        # torch takes seconds to import
        from safegen_detectors.anomaly import fit
        from safegen_detectors.threads import one_thread_each, resolved

        methods = methods_named(self.methods, self.options)
        with one_thread_each():
            return fit.fit(
                reference,
                methods,
                seed=seed,
                device=resolved(self.device),
                explanation_volumes=self.explanation_volumes,
            )

    def recalibrate(self, profile: Profile, holdout: Iterable[ScanTarget]) -> Fitted:
        """The profile on the scales of a holdout."""
        from safegen_detectors.anomaly import fit
        from safegen_detectors.threads import one_thread_each, resolved

        methods = methods_named(self.methods, self.options)
        with one_thread_each():
            return fit.recalibrate(profile, methods, holdout, device=resolved(self.device))

    def open(self, profile: Profile | None, *, device: str) -> AnomalyScorer:
        """The methods with their networks on the device; raises NotJudged without a profile."""
        if profile is None:
            raise NotJudged("anomaly needs a profile of real scans")
        from safegen_detectors.anomaly.scorer import open_scorer
        from safegen_detectors.threads import one_thread_each

        methods = methods_named(self.methods, self.options)
        with one_thread_each():
            return open_scorer(profile, methods, self.explanations, device=device)
