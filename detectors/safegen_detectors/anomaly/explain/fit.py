"""Fit what explanations need: the surrogate, the units of the maps, and their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from safegen_detectors.anomaly.explain.maps import SURROGATE, maps_for_weights, surrogate_input
from safegen_detectors.anomaly.methods.base import Learned
from safegen_detectors.anomaly.methods.segmentation.method import ArtefactSegmentation
from safegen_detectors.anomaly.methods.segmentation.synthetic_faults import (
    CorruptedSample,
    corrupt,
    expected_without_patient,
    families_for,
    random_other_sample,
)
from safegen_detectors.anomaly.reference import grids
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample
from safegen_detectors.explain.combine import METHODS, choose_weights, clean_percentile
from safegen_detectors.explain.surrogate import FEWEST_PATIENTS, train_surrogate
from safegen_detectors.threads import side_by_side

VOLUMES, STEPS = 60, 120
VALIDATED = 4  # maps of whole scans through two networks take seconds each
INDEX_STRIDE = 7919  # a prime, so that neighbours, which can be of one patient, are taken far apart


@dataclass(frozen=True, slots=True)
class ScoredSample:
    """What the predictor sees of a corrupted or untouched sample, and the score it foretells.

    The sample itself, which is large, can be made again from its number.
    """

    number: int
    patient: str
    corrupted: bool
    seen: torch.Tensor
    score: float


def fit_explanations(
    learned: Learned,
    samples: Sequence[Sample],
    reference: ReferenceStatistics,
    *,
    seed: int,
    volumes: int = VOLUMES,
) -> Learned:
    """What a network learned, and what is needed to explain it.

    The predictor and the weights learn from faults planted in the reference itself: they explain
    scores and never make one. Where there are too few patients, it is left as it is.
    """
    if len({sample.patient for sample in samples}) < FEWEST_PATIENTS:
        return learned
    scored = side_by_side(
        lambda n: _scored(learned, samples, n, reference, seed=seed), range(volumes)
    )
    seen = torch.stack([one.seen for one in scored])
    scores = np.array([one.score for one in scored])
    patients = [one.patient for one in scored]
    if len(set(patients)) < FEWEST_PATIENTS:
        return learned
    trained = train_surrogate(seen, scores, seed=seed, steps=STEPS, patients=patients)
    arrays = {f"{SURROGATE}/{name}": a for name, a in trained.arrays.items()}
    known = replace(learned, arrays={**learned.arrays, **arrays})
    facts = {
        "rank_correlation": trained.rank_correlation,
        "held_out": trained.held_out,
        **_weights(known, scored, samples, reference, seed=seed),
    }
    return replace(known, facts={**learned.facts, "explained": facts})


def _weights(
    learned: Learned,
    scored: Sequence[ScoredSample],
    samples: Sequence[Sample],
    reference: ReferenceStatistics,
    *,
    seed: int,
) -> dict[str, Any]:
    """Units of the maps, from untouched scans, and weights, from corrupted ones."""
    clean = [one for one in scored if not one.corrupted][:VALIDATED]
    corrupted = [one for one in scored if one.corrupted][:VALIDATED]
    if not clean or not corrupted:
        return {"units": {}}

    def maps_and_truth(one: ScoredSample) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]:
        again = _corrupted(samples, one.number, reference, seed=seed)
        maps = maps_for_weights(again.normalized, learned)
        return {name: value.cpu().numpy() for name, value in maps.items()}, again.truth

    # One after the other: shap swaps random state that belongs to the whole process.
    made = [maps_and_truth(one) for one in (*clean, *corrupted)]
    units = {name: _unit([maps[name] for maps, _ in made[: len(clean)]]) for name in METHODS}
    faulty = made[len(clean) :]
    in_units = {name: [maps[name] / units[name] for maps, _ in faulty] for name in METHODS}
    weights = choose_weights(in_units, [truth for _, truth in faulty])
    return {"units": units, "weights": weights.to_json()}


def _unit(clean: Sequence[NDArray[Any]]) -> float:
    try:
        return clean_percentile(clean)
    except ValueError:  # nothing is seen in clean scans
        return 1.0


def _scored(
    learned: Learned,
    samples: Sequence[Sample],
    number: int,
    reference: ReferenceStatistics,
    *,
    seed: int,
) -> ScoredSample:
    made = _corrupted(samples, number, reference, seed=seed)
    score = ArtefactSegmentation().read(made.normalized, learned).statistics["spot"]
    sample = made.normalized.sample
    return ScoredSample(
        number, sample.patient, bool(made.faults), surrogate_input(sample), max(score, 1e-3)
    )


def _corrupted(
    samples: Sequence[Sample], number: int, reference: ReferenceStatistics, *, seed: int
) -> CorruptedSample:
    """Spoiled sample of a number, also on the template's grid."""
    random = np.random.default_rng([seed, number, 2])
    index = number * INDEX_STRIDE % len(samples)
    expected = expected_without_patient(samples[index], reference)
    donor = random_other_sample(samples, index, random)
    families = families_for(reference.modality)
    made = corrupt(samples[index], donor, expected, reference, families, random=random)
    sample = made.normalized.sample
    aligned = grids.onto_template(grids.tensor(sample.own, "cpu")[None], sample)[0]
    placed = replace(sample, aligned=aligned.numpy())
    return replace(
        made, normalized=NormalizedSample(placed, reference, expectation=made.normalized.expected)
    )
