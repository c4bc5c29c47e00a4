"""The anomaly check: how far a scan is, anywhere or as a whole, from what real scans show there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_safegen import Fitted, NotJudged, Profile, Rule, ScanTarget, Scope, Score

RULES: Mapping[str, Rule] = {
    "score": Rule(false_alarm_rate=0.025, source="calibrated"),
    "excluded_share": Rule(
        warn_above=0.1,
        fail_above=0.3,
        source="engineering default: more cannot be stated pathology",
    ),
}


@dataclass(frozen=True)
class AnomalyDetector:
    """A per-location statistical atlas over multi-scale features, after affine alignment.

    The score is the largest of five departures (highest spot, small regions, a larger part, the
    whole, image quality), each in robust standard deviations of real scans. Stated pathology is
    left out of the judgement.
    """

    name = "anomaly"
    version = "1"
    scope = Scope.SCAN
    needs_profile = True
    rules = RULES

    def fit(
        self,
        reference: Iterable[ScanTarget],
        *,
        seed: int,  # noqa: ARG002  nothing here is random
    ) -> Fitted:
        """The atlas, and the scales of the score, from real scans."""
        from safegen_detectors.anomaly import fitting  # torch takes seconds to import

        return fitting.fit(reference)

    def score(
        self, targets: Sequence[ScanTarget], profile: Profile | None, *, device: str
    ) -> Sequence[Score]:
        """One score a scan, with the map of what departs."""
        if profile is None:
            raise NotJudged("anomaly needs a profile of real scans")
        from safegen_detectors.anomaly import scoring  # torch takes seconds to import

        return [scoring.score(target, profile, device=device) for target in targets]
