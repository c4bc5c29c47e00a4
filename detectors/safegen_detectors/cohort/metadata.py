"""The metadata check: the table of a release's scans looks like the reference's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_safegen.api import (
    Fitted,
    Measure,
    NotJudged,
    Profile,
    Rule,
    ScanTarget,
    Scope,
    Score,
    ScoreEach,
    Scorer,
)
from safegen_detectors.cohort.judge import Outcome, judge
from safegen_detectors.cohort.messages import Failure, measure_names
from safegen_detectors.cohort.suite import Expectation, derive_expectations, load_suite, to_frame

RULES: Mapping[str, Rule] = {
    "critical.*": Rule(fail_above=0.0, source="expectation of severity critical"),
    "warning.*": Rule(warn_above=0.0, source="expectation of severity warning"),
    "info.*": Rule(source="expectation of severity info: shown, never judged"),
}


@dataclass(frozen=True)
class MetadataDetector:
    """Judges the table of scans by expectations, derived from the reference or the user's own.

    `suite` is a file of expectations as `json.dump(suite.to_json_dict(), file)` of
    great-expectations writes it; it replaces the derived ones.
    """

    suite: Path | None = None

    name = "metadata"
    version = "1"
    scope = Scope.RELEASE
    needs_profile = True
    rules = RULES
    code = ("safegen_detectors.cohort", "safegen_detectors.integrity")
    libraries = ("great-expectations",)

    def __post_init__(self) -> None:
        # A user's own suite needs no reference; the fields stay frozen.
        object.__setattr__(self, "needs_profile", self.suite is None)

    def fit(
        self,
        reference: Iterable[ScanTarget],
        *,
        seed: int,  # noqa: ARG002 - nothing here is random
    ) -> Fitted:
        """The expectations that follow from the reference's table."""
        return Fitted(
            facts={
                "expectations": derive_expectations([t.facts for t in reference if not t.problem])
            }
        )

    def open(
        self,
        profile: Profile | None,
        *,
        device: str,  # noqa: ARG002 - a table needs no accelerator
    ) -> Scorer:
        """A scorer that measures the share of scans that fail each expectation.

        Raises:
            NotJudged: neither a profile nor a suite.
            UsageProblem: a suite that cannot be read.
        """
        expectations = self._expectations(profile)
        source = "reference" if self.suite is None else "suite"
        return ScoreEach(lambda target: _score(target.rows, expectations, source))

    def _expectations(self, profile: Profile | None) -> Sequence[Expectation]:
        if self.suite is not None:
            return load_suite(self.suite)
        if profile is None:
            raise NotJudged(
                "The check needs a reference or a suite of expectations.",
                headline="No reference and no suite of expectations",
            )
        expectations: Sequence[Expectation] = profile.facts["expectations"]
        return expectations


def _score(
    rows: Sequence[Mapping[str, float | str | None]],
    expectations: Sequence[Expectation],
    source: str,
) -> Score:
    if not rows:
        raise NotJudged(
            "The table of scans is empty, so no expectation can be judged.",
            headline="No scan can be read",
        )
    outcomes = judge(to_frame(rows), expectations)
    targets = [str(row.get("target")) for row in rows]
    names = measure_names(expectations)
    measures = [
        _measure(name, Failure(expectation, outcome, targets, source))
        for name, expectation, outcome in zip(names, expectations, outcomes, strict=True)
    ]
    return Score(None, tuple(measures))


def _measure(name: str, failure: Failure) -> Measure:
    share = _failing_share(failure.outcome, len(failure.targets))
    return Measure(name, share, "of the scans", failure.message(), failure.headline())


def _failing_share(outcome: Outcome, count: int) -> float:
    if outcome.passed:
        return 0.0
    return len(outcome.rows) / count if outcome.rows else 1.0
