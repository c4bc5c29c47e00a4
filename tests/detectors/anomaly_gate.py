"""Detectors of the anomaly check that learned from phantoms, each fitted once for all tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from pytest_safegen import Fitted, Profile, Scan, ScanTarget, Score
from pytest_safegen.prepare.template import Template
from pytest_safegen.testing import phantom, targets, template_of
from safegen_detectors.anomaly import AnomalyDetector

REFERENCE, IN_TEMPLATE = 10, 3
UNSEEN = range(50, 54)
QUICK: Mapping[str, Mapping[str, Any]] = {
    "artefact-segmentation": {"steps": 10, "volumes": 8, "validated": 2}
}


@dataclass(frozen=True)
class Gate:
    """A detector, what it learned, and the template that scans are aligned to."""

    detector: AnomalyDetector
    template: Template
    profile: Profile
    fitted: Fitted

    def target(self, scan: Scan) -> ScanTarget:
        return targets([scan], self.template)[0]

    def score(self, scan: Scan) -> Score:
        return self.detector.open(self.profile, device="cpu").score([self.target(scan)])[0]

    def value(self, scan: Scan) -> float:
        value = self.score(scan).value
        assert value is not None
        return value


@cache
def template() -> Template:
    return template_of([phantom(subject) for subject in range(IN_TEMPLATE)])


@cache
def prepared(subject: int) -> ScanTarget:
    """A phantom on the template's grid."""
    return targets([phantom(subject)], template())[0]


def references(subjects: Sequence[int]) -> list[ScanTarget]:
    """Phantoms as detectors get real scans: without their voxels."""
    return [replace(prepared(subject), scan=None) for subject in subjects]


def detector_of(*methods: str) -> AnomalyDetector:
    """The check with some methods, or with those of its default, quickly trained."""
    chosen = AnomalyDetector(options=QUICK, explanations=(), explanation_volumes=0, device="cpu")
    options = {name: QUICK[name] for name in QUICK if name in methods}
    return replace(chosen, methods=methods, options=options) if methods else chosen


@cache
def gate(*methods: str) -> Gate:
    """The check, fitted on phantoms."""
    detector = detector_of(*methods)
    fitted = detector.fit(references(range(REFERENCE)), seed=0)
    return Gate(detector, template(), profile_of(fitted), fitted)


def profile_of(fitted: Fitted) -> Profile:
    scores = np.sort(np.array(list(fitted.held_out.values())))
    facts = {**fitted.facts, "version": AnomalyDetector.version}
    return Profile("anomaly", "d", fitted.arrays, facts, scores, "patients", len(scores))
