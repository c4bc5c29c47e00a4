"""The memorization check: does a scan, or a part of it, show one training patient?

Nothing heavy is imported before a method runs: torch takes seconds to import.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_safegen.api import Fitted, NotJudged, Profile, Rule, ScanTarget, Scope, Score
from safegen_detectors.memorization.pseudonyms import Pseudonyms

if TYPE_CHECKING:
    from safegen_detectors.memorization.search.index import Index


RULES: Mapping[str, Rule] = {"score": Rule(false_alarm_rate=0.01, source="calibrated")}


@dataclass
class IndexCache:
    """The index of the latest profile: built and self-tested once a run, not once a scan."""

    _key: tuple[Any, ...] = field(default=(), repr=False)
    _index: Index | None = field(default=None, repr=False)
    _problem: str = ""

    def index(self, profile: Profile, device: str) -> Index:
        """The index of a profile on a device.

        Raises:
            NotJudged: there are too few persons, or the self-test fails.
        """
        from safegen_detectors.memorization.search.index import index_from_profile
        from safegen_detectors.memorization.self_test import run_self_test

        key = (profile.arrays["descriptors"], profile.calibration, device)
        if self._index is None or not _identical(key, self._key):
            index = index_from_profile(profile, device)
            self._key, self._index, self._problem = key, index, run_self_test(index, profile)
        if self._problem:
            raise NotJudged(f"the control of this run failed: {self._problem}")
        return self._index


def _identical(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether both hold the very same objects."""
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


@dataclass(frozen=True)
class MemorizationDetector:
    """Whom of the reference a scan resembles more than anybody else, here or everywhere.

    Every reference patient is in the index, so it is calibrated by leaving one patient out at a
    time, as they are and softened. With a `salt` the profile knows patients by keyed digests.
    """

    salt: str = ""
    _kept: IndexCache = field(default_factory=IndexCache, init=False, repr=False, compare=False)

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

    def score(
        self, targets: Sequence[ScanTarget], profile: Profile | None, *, device: str
    ) -> Sequence[Score]:
        """One score a scan, with the map of what is copied and the patient it is copied from."""
        from safegen_detectors.memorization import score  # torch takes seconds to import

        if profile is None:
            raise NotJudged("memorization needs a profile of real scans")
        index = self._kept.index(profile, device)
        return [score.score(target, profile, index=index) for target in targets]

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
