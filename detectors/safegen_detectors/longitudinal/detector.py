"""The longitudinal check: is this one patient, followed over a believable time?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_safegen.api import Fitted, Scope
from safegen_detectors.longitudinal.limits import RULES
from safegen_detectors.longitudinal.scorer import LongitudinalScorer
from safegen_detectors.longitudinal.series import ComparisonOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_safegen.api import Profile, Rule, ScanTarget


@dataclass(frozen=True)
class LongitudinalDetector:
    """Measures each series pair by pair: consecutive scans of a modality, and first with last.

    Every measure is the worst over the pairs, and its clause names the pair. The copy checks are
    left out where the label `background` is "shared", and the growth checks where masks or months
    are missing. `default_labels` are labels of scans that have none of that name. `limits_digest`
    is that of the calibration that the limits are from. No real scan is needed.
    """

    default_labels: Mapping[str, str] = field(default_factory=dict)
    options: ComparisonOptions = field(default_factory=ComparisonOptions)

    name: str = "longitudinal"
    version: str = "3"
    scope: Scope = Scope.SERIES
    needs_profile: bool = False
    rules: Mapping[str, Rule] = field(default_factory=lambda: RULES)
    limits_digest: str = ""

    def fit(self, reference: Iterable[ScanTarget], *, seed: int) -> Fitted:  # noqa: ARG002 - nothing is learned
        """Nothing: limits are published or physical, not fitted."""
        return Fitted()

    def open(
        self,
        profile: Profile | None,  # noqa: ARG002 - nothing is learned
        *,
        device: str,  # noqa: ARG002 - registration runs on the processor
    ) -> LongitudinalScorer:
        """A scorer with these options; it needs no profile."""
        return LongitudinalScorer(self.default_labels, self.options)
