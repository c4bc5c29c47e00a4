"""Calibration scores: how a detector scores real patients that its profile never saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import cast

import numpy as np

from pytest_safegen.config.hookspecs import Detector, LeavesOut, Recalibrates, Scorer
from pytest_safegen.core.errors import NotJudged, ProfileError
from pytest_safegen.core.score import Profile
from pytest_safegen.profiles.cohort import Cohort, folds, hold_out
from pytest_safegen.profiles.learn import Learned, Learner
from pytest_safegen.profiles.model import HOLDOUT

FOLDS = 3

MOST_LEFT_OUT_ONE_BY_ONE = 200

SCALED_BY_HOLDOUT = "patients of the holdout folder, each on scales set by the others"
HELD_OUT_BY_DETECTOR = "reference patients, each judged by what the others taught"
ONE_BY_ONE = "reference patients, each left out of the profile in turn"
IN_FOLDS = "reference patients, a third held out of the profile in turn"

ScorerFor = Callable[[str], Scorer]
"""The scorer for a patient, by whom that patient was not seen."""


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Adds calibration scores to profiles, one score a patient."""

    learner: Learner

    def calibrated(
        self, detector: Detector, learned: Learned, reference: Cohort, holdout: Cohort
    ) -> Profile:
        """The profile with scores of the holdout, or else of held-out reference patients."""
        profile = learned.profile
        if holdout.members and isinstance(detector, Recalibrates):
            return self._rescaled(detector, profile, holdout)
        if holdout.members:
            scores = self._patients(detector, holdout, self._opened(detector, profile))
            return _with_scores(profile, scores, HOLDOUT)
        if learned.held_out:
            names = learned.held_out.items()
            scores = [_finite(score, detector.name, patient) for patient, score in names]
            return _with_scores(profile, scores, HELD_OUT_BY_DETECTOR)
        if isinstance(detector, LeavesOut):
            scores = self._one_by_one(detector, profile, reference)
            return _with_scores(profile, scores, ONE_BY_ONE)
        return _with_scores(profile, self._in_folds(detector, reference), IN_FOLDS)

    def _rescaled(self, detector: Recalibrates, profile: Profile, holdout: Cohort) -> Profile:
        fitted = detector.recalibrate(profile, holdout)
        facts = {**fitted.facts, "version": cast("Detector", detector).version}
        profile = replace(profile, arrays=fitted.arrays, facts=facts)
        return _with_scores(profile, list(fitted.held_out.values()), SCALED_BY_HOLDOUT)

    def _one_by_one(self, detector: LeavesOut, profile: Profile, cohort: Cohort) -> list[float]:
        subjects = cohort.subjects()
        if len(subjects) > MOST_LEFT_OUT_ONE_BY_ONE:
            share = MOST_LEFT_OUT_ONE_BY_ONE / len(subjects)
            cohort = cohort.only(hold_out(subjects, share=share, seed=self.learner.seed))
        opener, device = cast("Detector", detector), self.learner.device

        def without(patient: str) -> Scorer:
            return opener.open(detector.without(profile, patient), device=device)

        return self._patients(opener, cohort, without)

    def _in_folds(self, detector: Detector, cohort: Cohort) -> list[float]:
        scores = []
        for part in folds(cohort.subjects(), count=FOLDS, seed=self.learner.seed):
            others = cohort.only(set(cohort.subjects()) - part)
            profile = self.learner.learn(detector, others).profile
            scores += self._patients(detector, cohort.only(part), self._opened(detector, profile))
        return scores

    def _opened(self, detector: Detector, profile: Profile) -> ScorerFor:
        """One scorer for all patients, opened when the first is scored."""

        @cache
        def scorer() -> Scorer:
            return detector.open(profile, device=self.learner.device)

        return lambda _: scorer()

    def _patients(self, detector: Detector, cohort: Cohort, scorer_for: ScorerFor) -> list[float]:
        """One score a patient, that of the patient's worst scan."""
        scores = []
        label = f"calibrating {detector.name}"
        for patient in self.learner.progress(cohort.subjects(), label):
            own = _scores(detector, scorer_for, cohort.only([patient]))
            scores += [max(own)] if own else []
        return scores


def _with_scores(profile: Profile, scores: list[float], source: str) -> Profile:
    calibration = np.sort(np.array(scores, dtype=np.float64))
    return replace(profile, calibration=calibration, calibration_source=source)


def _scores(detector: Detector, scorer_for: ScorerFor, cohort: Cohort) -> list[float]:
    values = []
    for member in cohort.members:
        target = member.target(template=cohort.template, scan=True)
        try:
            (score,) = scorer_for(member.ref.subject).score([target])
        except NotJudged:
            continue
        except Exception as problem:
            raise ProfileError(
                f"The check {detector.name} cannot be calibrated: it crashed on the real scan "
                f"{member.ref.target} ({type(problem).__name__}: {problem}).",
                headline=f"Calibration crashed: {type(problem).__name__}",
            ) from problem
        if score.value is not None:
            values.append(_finite(score.value, detector.name, member.ref.target))
    return values


def _finite(value: float, check: str, target: str) -> float:
    if not np.isfinite(value):
        raise ProfileError(
            f"The check {check} cannot be calibrated: its score of the real scan {target} "
            f"is {value}."
        )
    return float(value)
