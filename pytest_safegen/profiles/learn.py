"""Let a detector learn from real scans: cohort -> profile, not calibrated yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.core.errors import NotJudged, ProfileError
from pytest_safegen.core.score import Profile
from pytest_safegen.core.targets import ScanTarget
from pytest_safegen.profiles.cohort import Cohort

Progress = Callable[[Sequence[Any], str], Iterable[Any]]


def silent(items: Sequence[Any], label: str) -> Iterable[Any]:  # noqa: ARG001  the quiet Progress
    """A progress display that shows nothing."""
    return items


@dataclass(frozen=True, slots=True)
class Learned:
    """A profile without calibration, and the scores that the detector held out itself."""

    profile: Profile
    held_out: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Learner:
    """What one fit shares: the digest of the profiles, the seed, the device and the progress."""

    digest: str
    seed: int = 0
    device: str = "cpu"
    progress: Progress = silent

    def learn(self, detector: Detector, cohort: Cohort) -> Learned:
        """What a scan detector learns from a cohort.

        Raises:
            ProfileError: the detector cannot learn from these scans.
        """
        try:
            # One step that can take minutes: whoever waits should see what for.
            (fitted,) = [
                one.fit(cohort, seed=self.seed)
                for one in self.progress([detector], f"learning {detector.name}")
            ]
        except NotJudged as problem:
            raise ProfileError(
                f"The check {detector.name} cannot learn from these scans: {problem}."
            ) from problem
        facts = {**fitted.facts, "version": detector.version}
        count = len(cohort.subjects())
        profile = Profile(detector.name, self.digest, fitted.arrays, facts, np.empty(0), "", count)
        return Learned(profile, fitted.held_out)

    def learn_table(self, detector: Detector, rows: Sequence[ScanTarget]) -> Profile:
        """What a release detector learns from the table of all real scans."""
        fitted = detector.fit(rows, seed=self.seed)
        facts = {**fitted.facts, "version": detector.version}
        count = len(rows)
        return Profile(detector.name, self.digest, fitted.arrays, facts, np.empty(0), "", count)
