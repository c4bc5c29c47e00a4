"""The memorization check: does a scan, or a part of it, show one training patient?

Nothing heavy is imported before a method runs: torch takes seconds to import.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

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
    """Whom of the reference a scan resembles more than anybody else, here or everywhere.

    Every reference patient is in the index, so it is calibrated by leaving one patient out at a
    time, as they are and softened. With a `salt` the profile knows patients by keyed digests.
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
        """The index of descriptors, and what real patients score who are left out of it."""
        from safegen_detectors.memorization import fit  # torch takes seconds to import

        return fit.fit(reference, seed=seed, names=Pseudonyms(self.salt))

    def recalibrate(self, profile: Profile, holdout: Iterable[ScanTarget]) -> Fitted:
        """The same knowledge, with scores of real patients of a holdout, the worst of both sets."""
        from safegen_detectors.memorization import fit  # torch takes seconds to import

        return fit.recalibrate(profile, holdout)

    def open(self, profile: Profile | None, *, device: str) -> Scorer:
        """The index of descriptors on the device, built and self-tested once.

        Raises:
            NotJudged: no profile, too few persons in it, or a failed self-test.
        """
        if profile is None:
            raise NotJudged("memorization needs a profile of real scans")
        # torch takes seconds to import
        from safegen_detectors.memorization.score import score
        from safegen_detectors.memorization.search.index import index_from_profile
        from safegen_detectors.memorization.self_test import run_self_test

        index = index_from_profile(profile, device)
        if problem := run_self_test(index, profile):
            raise NotJudged(f"the self-test of this run failed: {problem}")
        return ScoreEach(lambda target: score(target, profile, index=index))

    def without(self, profile: Profile, subject: str) -> Profile:
        """The profile as if that patient, under all names found for the same person, was not in."""
        person = dict(zip(profile.facts["subjects"], profile.facts["persons"], strict=True))
        gone = person.get(Pseudonyms(self.salt).of(subject))
        kept = [n for n, one in enumerate(profile.facts["persons"]) if one != gone]
        control_stays = profile.facts["control"] in kept
        facts = {
            **profile.facts,
            "subjects": [profile.facts["subjects"][n] for n in kept],
            "persons": [profile.facts["persons"][n] for n in kept],
            "control": kept.index(profile.facts["control"]) if control_stays else 0,
        }
        descriptors = np.asarray(profile.arrays["descriptors"])[kept]
        return replace(profile, arrays={**profile.arrays, "descriptors": descriptors}, facts=facts)
