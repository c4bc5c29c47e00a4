"""Fit what explanations need: the surrogate, the units of the maps, and their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from safegen_detectors.anomaly.explain.maps import Explainer
from safegen_detectors.anomaly.explain.surrogate import (
    FACTS_KEY,
    SURROGATE_KEY,
    open_surrogate,
    surrogate_input,
)
from safegen_detectors.anomaly.methods.base import Learned
from safegen_detectors.anomaly.methods.segmentation.method import (
    ArtefactSegmentation,
    SegmentationReader,
)
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
from safegen_detectors.explain.combine import choose_weights, clean_percentile
from safegen_detectors.explain.surrogate import FEWEST_PATIENTS, train_surrogate
from safegen_detectors.threads import side_by_side

VOLUMES, STEPS = 60, 120
VALIDATED = 4  # maps of whole scans through two networks take seconds each
INDEX_STRIDE = 7919  # a prime, so that neighbours, which can be of one patient, are taken far apart
DEVICE = "cpu"  # where training samples are made


@dataclass(frozen=True, slots=True)
class ScoredSample:
    """The surrogate's input for a corrupted or untouched sample, and the score to predict.

    The sample itself, which is large, can be made again from its number.
    """

    number: int
    patient: str
    corrupted: bool
    inputs: torch.Tensor
    score: float


def fit_explanations(
    learned: Learned,
    samples: Sequence[Sample],
    reference: ReferenceStatistics,
    *,
    seed: int,
    volumes: int = VOLUMES,
) -> Learned:
    """What the segmentation learned, with what is needed to explain it.

    The surrogate and the weights learn from faults planted in the reference itself: they explain
    scores and never make one. With too few patients, nothing is added.
    """
    if len({sample.patient for sample in samples}) < FEWEST_PATIENTS:
        return learned
    planter = _Planter(samples, reference, seed)
    reader = ArtefactSegmentation().open(learned, reference, device=DEVICE)
    scored = side_by_side(lambda n: _scored(planter, n, reader), range(volumes))
    patients = [one.patient for one in scored]
    if len(set(patients)) < FEWEST_PATIENTS:
        return learned
    trained = train_surrogate(
        torch.stack([one.inputs for one in scored]),
        np.array([one.score for one in scored]),
        seed=seed,
        steps=STEPS,
        patients=patients,
    )
    arrays = {f"{SURROGATE_KEY}/{name}": array for name, array in trained.arrays.items()}
    facts = {"rank_correlation": trained.rank_correlation, "held_out": trained.held_out}
    explained = replace(
        learned,
        arrays={**learned.arrays, **arrays},
        facts={**learned.facts, FACTS_KEY: facts},
    )
    explainer = Explainer(reader, open_surrogate(explained, reference, device=DEVICE))
    facts = {**facts, **_units_and_weights(explainer, planter, scored)}
    return replace(explained, facts={**learned.facts, FACTS_KEY: facts})


def _units_and_weights(
    explainer: Explainer, planter: _Planter, scored: Sequence[ScoredSample]
) -> dict[str, Any]:
    """Units of the maps, from untouched scans, and weights, from corrupted ones."""
    clean = [one for one in scored if not one.corrupted][:VALIDATED]
    corrupted = [one for one in scored if one.corrupted][:VALIDATED]
    if not clean or not corrupted:
        return {"units": {}}

    def maps_and_truth(one: ScoredSample) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]:
        again = planter.sample(one.number)
        maps = explainer.maps_for_weights(again.normalized)
        return {name: value.cpu().numpy() for name, value in maps.items()}, again.truth

    # One after the other: shap swaps random state that belongs to the whole process.
    made = [maps_and_truth(one) for one in (*clean, *corrupted)]
    names = list(made[0][0])
    units = {name: _unit([maps[name] for maps, _ in made[: len(clean)]]) for name in names}
    faulty = made[len(clean) :]
    in_units = {name: [maps[name] / units[name] for maps, _ in faulty] for name in names}
    weights = choose_weights(in_units, [truth for _, truth in faulty])
    return {"units": units, "weights": weights.to_json()}


def _unit(clean: Sequence[NDArray[Any]]) -> float:
    try:
        return clean_percentile(clean)
    except ValueError:  # the maps of clean scans are all zero
        return 1.0


def _scored(planter: _Planter, number: int, reader: SegmentationReader) -> ScoredSample:
    made = planter.sample(number)
    score = reader.read(made.normalized).statistics["spot"]
    sample = made.normalized.sample
    inputs = surrogate_input(sample)
    return ScoredSample(number, sample.patient, bool(made.faults), inputs, max(score, 1e-3))


@dataclass(frozen=True, slots=True)
class _Planter:
    """Corrupts samples of the reference; the same number gives the same sample."""

    samples: Sequence[Sample]
    reference: ReferenceStatistics
    seed: int

    def sample(self, number: int) -> CorruptedSample:
        """The corrupted sample of a number, also on the template's grid."""
        random = np.random.default_rng([self.seed, number, 2])
        index = number * INDEX_STRIDE % len(self.samples)
        expected = expected_without_patient(self.samples[index], self.reference)
        donor = random_other_sample(self.samples, index, random)
        families = families_for(self.reference.modality)
        made = corrupt(
            self.samples[index], donor, expected, self.reference, families, random=random
        )
        sample = made.normalized.sample
        aligned = grids.onto_template(grids.tensor(sample.own, "cpu")[None], sample)[0]
        placed = replace(sample, aligned=aligned.numpy())
        normalized = NormalizedSample(placed, self.reference, expectation=made.normalized.expected)
        return replace(made, normalized=normalized)
