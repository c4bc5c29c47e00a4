"""Phantoms of real patients, and what the check learned from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from pytest_safegen import Fitted, Profile, Scan, ScanTarget, Score
from pytest_safegen.prepare.template import Template
from pytest_safegen.testing import phantom, targets, template_of
from safegen_detectors.memorization import MemorizationDetector

REFERENCE, SOURCE, STRANGER = range(14), 3, 50


@dataclass(frozen=True)
class FittedCohort:
    """The reference on its template, and what the detector learned from it."""

    template: Template
    reference: list[ScanTarget]
    learned: Fitted
    profile: Profile


@cache
def fitted_cohort() -> FittedCohort:
    """The same for all tests of a process: a fit takes seconds."""
    scans = [phantom(subject) for subject in REFERENCE]
    template = template_of(scans)
    reference = [replace(target, scan=None) for target in targets(scans, template)]
    learned = MemorizationDetector().fit(reference, seed=0)
    scores = np.sort(list(learned.held_out.values()))
    profile = Profile("memorization", "", learned.arrays, learned.facts, scores, "", len(REFERENCE))
    return FittedCohort(template, reference, learned, profile)


def scored(scan: Scan, template: Template, profile: Profile) -> Score:
    (target,) = targets([scan], template)
    return MemorizationDetector().open(profile, device="cpu").score([target])[0]


def called(scan: Scan, subject: str) -> Scan:
    return replace(scan, ref=replace(scan.ref, subject=subject, target=subject))
