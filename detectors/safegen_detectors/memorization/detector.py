"""The memorization check: does a scan, or a part of it, show one training patient?

Nothing heavy is imported before a method runs: torch takes seconds to import.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_safegen.api import (
    Fitted,
    NotJudged,
    Profile,
    Rule,
    ScanTarget,
    Scope,
    ScoreEach,
    Scorer,
)
from safegen_detectors.memorization.pseudonyms import Pseudonyms

RULES: Mapping[str, Rule] = {"score": Rule(false_alarm_rate=0.01, source="calibrated")}


@dataclass(frozen=True)
class MemorizationDetector:
    """Which reference patient a scan resembles more than any other, somewhere or everywhere.

    Every reference patient is in the index, so it is calibrated by leaving out one patient at a
    time, as scanned and blurred. With a `salt` the profile stores keyed digests of patient names.
    """

    salt: str = ""

    name = "memorization"
    version = "4"
    scope = Scope.SCAN
    needs_profile = True
    rules = RULES
    code = ("safegen_detectors.memorization", "safegen_detectors.threads")
    libraries = ("torch",)

    def fit(self, reference: Iterable[ScanTarget], *, seed: int) -> Fitted:
        """The index of descriptors, and the scores of real patients who are left out of it."""
        from safegen_detectors.memorization.fit import fit  # torch takes seconds to import

        return fit(reference, seed=seed, pseudonyms=Pseudonyms(self.salt))

    def recalibrate(self, profile: Profile, holdout: Iterable[ScanTarget]) -> Fitted:
        """The same index, with the scores of real patients of a holdout."""
        # torch takes seconds to import
        from safegen_detectors.memorization.calibrate import recalibrate

        return recalibrate(profile, holdout)

    def open(self, profile: Profile | None, *, device: str) -> Scorer:
        """The index of descriptors on the device, built and self-tested once.

        Raises:
            NotJudged: no profile, too few persons in it, or a failed self-test.
        """
        if profile is None:
            raise NotJudged(
                "memorization needs a profile of real scans",
                headline="No real scans to compare with",
            )
        # torch takes seconds to import
        from safegen_detectors.memorization.score import score
        from safegen_detectors.memorization.search.index import index_from_profile
        from safegen_detectors.memorization.self_test import run_self_test

        index = index_from_profile(profile, device)
        if problem := run_self_test(index, profile):
            raise NotJudged(
                f"the self-test of this run failed: {problem}",
                headline="Self-test of the memorization check failed",
            )
        return ScoreEach(lambda target: score(target, profile, index=index))

    def without(self, profile: Profile, subject: str) -> Profile:
        """The profile without one patient, under all names found for the same person."""
        # numpy takes a tenth of a second to import
        from safegen_detectors.memorization.search.index import profile_without

        return profile_without(profile, Pseudonyms(self.salt).of(subject))
