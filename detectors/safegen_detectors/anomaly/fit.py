"""Fit the check to real scans: reference statistics, each method, and one scale for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pytest_safegen.api import Fitted, Profile, ScanTarget
from safegen_detectors.anomaly.explain.fit import fit_explanations
from safegen_detectors.anomaly.methods import fusion
from safegen_detectors.anomaly.methods.base import Learned, Method
from safegen_detectors.anomaly.methods.fusion import Statistics, joined_statistics
from safegen_detectors.anomaly.model import open_model
from safegen_detectors.anomaly.options import NEED_FEATURES, SEGMENTATION
from safegen_detectors.anomaly.reference import statistics as reference_statistics
from safegen_detectors.anomaly.reference.samples import (
    reference_samples,
    sample_of,
    similarity_facts,
)
from safegen_detectors.anomaly.reference.statistics import PROFILE_KEY

FEWEST_FOR_SCALES = 8  # scans; a quarter of them makes the tail


def fit(
    reference: Iterable[ScanTarget],
    methods: Sequence[Method],
    *,
    seed: int,
    device: str,
    explanation_volumes: int = 0,
) -> Fitted:
    """What the methods learn, and each patient's score by what they learned from others.

    `explanation_volumes` is the number of corrupted scans that explanations learn from, 0 for none.
    """
    samples, bodies, one = reference_samples(reference)
    cropped = all(np.allclose(np.diag(s.to_template)[:3], 1, atol=1e-6) for s in samples)
    statistics = reference_statistics.intensity_statistics(
        samples, bodies, cropped=cropped, modality=one.intensity
    )
    if any(method.name in NEED_FEATURES for method in methods):
        statistics = reference_statistics.with_gaussian(statistics, samples)
    learned = {m.name: m.fit(samples, statistics, seed=seed, device=device) for m in methods}
    if explanation_volumes and SEGMENTATION in learned:
        learned[SEGMENTATION] = fit_explanations(
            learned[SEGMENTATION], samples, statistics, seed=seed, volumes=explanation_volumes
        )
    joined = [joined_statistics(parts) for parts in _by_sample(learned, len(samples))]
    arrays = {
        f"{PROFILE_KEY}/{name}": a for name, a in reference_statistics.arrays_of(statistics).items()
    }
    for name, part in learned.items():
        arrays |= {f"{name}/{key}": np.asarray(a) for key, a in part.arrays.items()}
    facts = {
        PROFILE_KEY: reference_statistics.facts_of(statistics),
        "methods": {name: dict(part.facts) for name, part in learned.items()},
        "scales": fusion.scales_of(joined).as_facts(),
        "likeness": similarity_facts(reference),
    }
    return Fitted(arrays, facts, _by_patient([s.patient for s in samples], joined))


def recalibrate(
    profile: Profile, methods: Sequence[Method], holdout: Iterable[ScanTarget], *, device: str
) -> Fitted:
    """The same knowledge with the scales of other real scans, and their scores.

    Too few scans make no scales: they are scored on those of the reference.
    """
    model = open_model(profile, methods, device=device)
    patients, joined = [], []
    for target in holdout:
        sample = sample_of(target)
        readings = model.read(model.normalized(sample))
        patients.append(sample.patient)
        joined.append(joined_statistics({n: r.statistics for n, r in readings.items()}))
    if len(joined) < FEWEST_FOR_SCALES:
        scores = [float(model.scales.departures(statistics).max()) for statistics in joined]
        return Fitted(profile.arrays, profile.facts, _highest_by_patient(patients, scores))
    facts = {
        **profile.facts,
        "scales": fusion.scales_of(joined).as_facts(),
        "likeness": similarity_facts(holdout),
    }
    return Fitted(profile.arrays, facts, _by_patient(patients, joined))


def _by_sample(learned: Mapping[str, Learned], count: int) -> list[dict[str, Statistics]]:
    return [{name: part.held_out[n] for name, part in learned.items()} for n in range(count)]


def _by_patient(patients: Sequence[str], joined: Sequence[Statistics]) -> dict[str, float]:
    """The largest score of each patient's scans, on scales without that scan."""
    return _highest_by_patient(patients, fusion.held_out_scores(joined, patients))


def _highest_by_patient(patients: Sequence[str], scores: Sequence[float]) -> dict[str, float]:
    worst: dict[str, float] = {}
    for patient, score in zip(patients, scores, strict=True):
        worst[patient] = max(score, worst.get(patient, score))
    return worst
