"""Our check and the other methods, fitted on the same patients and calibrated in the same way."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.memorization import encoder as contrastive
from benchmarks.memorization.baselines import METHODS, left_out
from benchmarks.memorization.volumes import ComparisonGrid, comparison_grid_of
from benchmarks.scans import Mask
from pytest_safegen import NotJudged, Prepared, Profile, Scan, ScanTarget
from pytest_safegen.api import Template, align, canonical, limit_at
from safegen_detectors.memorization import MemorizationDetector
from safegen_detectors.memorization.search.index import index_from_profile

OURS, ENCODER, PUBLISHED = "memorization", "contrastive encoder", "Dar's rule as published"
RATE = 0.01


@dataclass(frozen=True, slots=True)
class MethodResults:
    """The results of all methods on one scan.

    `flagged` by method; `nearest` is the patient that our check names; `dice` of its outline with
    the copied part, None where there is none; `refused` if our check would not judge.
    """

    flagged: Mapping[str, bool]
    nearest: str
    score: float
    kind: str
    dice: float | None
    seconds: float
    refused: str = ""


@dataclass(frozen=True)
class FittedMethods:
    """All methods, fitted, with a limit for each."""

    template: Template
    profile: Profile
    detector: MemorizationDetector
    grid: ComparisonGrid
    reference: torch.Tensor
    embedded: torch.Tensor
    encoder: contrastive.Encoder
    limits: Mapping[str, float]

    def judge(self, scan: Scan, where: Mask | None = None) -> MethodResults:
        """Prepare a scan as the gate does, and judge it with all methods."""
        target = prepared_for(scan, self.template)
        started = time.process_time()
        try:
            (score,) = self.detector.open(self.profile, device="cpu").score([target])
        except NotJudged as problem:
            flagged = dict.fromkeys(self.limits, False) | self._others(target.prepared)
            return MethodResults(
                {**flagged, OURS: False}, "", 0.0, "INCONCLUSIVE", None, 0.0, str(problem)
            )
        seconds = time.process_time() - started
        kind = next(measure.unit for measure in score.measures if measure.name == "kind")
        value = float(score.value or 0.0)
        flagged = {OURS: value > self.limits[OURS], **self._others(target.prepared)}
        assert score.heatmap is not None  # noqa: S101  a scan has one
        outline = score.heatmap.values >= 1
        dice = None if where is None else _dice(outline, where)
        return MethodResults(flagged, score.nearest or "", value, kind, dice, seconds)

    def _others(self, prepared: Prepared | None) -> dict[str, bool]:
        if prepared is None:
            return {}
        variants = self.grid.variants(prepared)
        found = {
            name: float(
                rule(likeness(variants, self.reference), self._reference_similarities[name]).max()
            )
            for name, (likeness, rule) in METHODS.items()
        }
        with torch.inference_mode():
            highest = float((self.encoder(variants) @ self.embedded.T).max())
        found |= {ENCODER: highest, PUBLISHED: highest}
        return {name: value > self.limits[name] for name, value in found.items()}

    @cached_property
    def _reference_similarities(self) -> Mapping[str, torch.Tensor]:
        return reference_similarities(self.reference)


def reference_similarities(reference: torch.Tensor) -> dict[str, torch.Tensor]:
    """The likeness of the reference scans to each other, by method."""
    return {name: likeness(reference, reference) for name, (likeness, _) in METHODS.items()}


def fit_methods(
    reference: Sequence[ScanTarget],
    validation: Sequence[ScanTarget],
    template: Template,
    *,
    seed: int,
) -> FittedMethods:
    """All methods, fitted and calibrated on the reference, left out one by one.

    The validation patients are for Dar's published threshold alone.
    """
    detector = MemorizationDetector()
    learned = detector.fit(reference, seed=seed)
    scores: NDArray[np.float64] = np.sort(list(learned.held_out.values()))
    profile = Profile(
        OURS, "", learned.arrays, learned.facts, scores, "left out in turn", len(reference)
    )
    grid = comparison_grid_of(template, index_from_profile(profile, "cpu").describer.lattice)
    volumes, checked = _volumes(reference, grid), _volumes(validation, grid)
    network = contrastive.trained(volumes, seed=seed)
    with torch.inference_mode():
        embedded, others = network(volumes), network(checked)
    tables = reference_similarities(volumes)
    calibration = {name: left_out(tables[name], METHODS[name][1]) for name in METHODS}
    calibration |= {OURS: scores, ENCODER: left_out(embedded @ embedded.T, METHODS["L2"][1])}
    limits = {name: limit_at(values, RATE).value for name, values in calibration.items()}
    limits[PUBLISHED] = contrastive.published_limit(embedded, others)
    return FittedMethods(template, profile, detector, grid, volumes, embedded, network, limits)


def prepared_for(scan: Scan, template: Template) -> ScanTarget:
    """A scan as the gate hands it to a detector."""
    try:
        own = canonical(scan, template.options)
        return ScanTarget(scan.ref, scan, align(own, template), own)
    except NotJudged as problem:
        return ScanTarget(scan.ref, scan, unprepared=str(problem))


def _volumes(targets: Sequence[ScanTarget], grid: ComparisonGrid) -> torch.Tensor:
    return torch.stack([grid.volume(t.prepared) for t in targets if t.prepared is not None])


def _dice(outline: NDArray[np.bool_], where: Mask) -> float:
    both = float((outline & where).sum())
    return 2 * both / max(float(outline.sum() + where.sum()), 1.0)
