"""Fit and read the method: a network per fold, each applied to the patients it never saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from safegen_detectors.anomaly.methods.base import Learned, Reading, mean_of_highest
from safegen_detectors.anomaly.methods.crossfit import (
    FoldResult,
    arrays_by_fold,
    cross_fit,
    mean_reading,
)
from safegen_detectors.anomaly.methods.segmentation import fault_type
from safegen_detectors.anomaly.methods.segmentation.fault_type import FaultExample
from safegen_detectors.anomaly.methods.segmentation.network import (
    SegmentationNet,
    inputs_of,
    logits_of,
)
from safegen_detectors.anomaly.methods.segmentation.synthetic_faults import (
    corrupt,
    expected_without_patient,
    families_for,
    random_other_sample,
)
from safegen_detectors.anomaly.methods.segmentation.training import (
    LIMITS,
    overlaps_at_limits,
    train_network,
)
from safegen_detectors.anomaly.methods.segmentation.training_samples import training_samples
from safegen_detectors.anomaly.methods.training import Budget, to_device
from safegen_detectors.anomaly.methods.weights import module_from_arrays, state_to_arrays
from safegen_detectors.anomaly.reference.features import box_mean
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample
from safegen_detectors.threads import side_by_side

BATCH = 4
RATE = 3e-3
SPOT = 3  # voxels a side of the cube whose mean is highest
EXTENT = 0.01  # of what is judged


@dataclass(frozen=True, slots=True)
class ArtefactSegmentation:
    """A small U-Net that learns to outline faults planted in the user's own real scans.

    `steps` of training a fold; `folds` of patients; `volumes` with planted faults a fold;
    `validated` corrupted volumes a fold to choose the outline's limit on; `without` lists names or
    groups of fault families not to learn from.
    """

    name: str = "artefact-segmentation"
    steps: int = 1200
    folds: int = 2
    volumes: int = 160
    validated: int = 16
    without: tuple[str, ...] = ()

    def fit(
        self, samples: Sequence[Sample], reference: ReferenceStatistics, *, seed: int, device: str
    ) -> Learned:
        """A network a fold, the statistics of all samples held out, and the outline's limit."""
        taught_by: dict[
            int, list[FaultExample]
        ] = {}  # by the fold's seed, since folds end in any order

        def fold(train: Sequence[Sample], held: Sequence[Sample], own_seed: int) -> FoldResult:
            part, taught = self._fold(train, held, reference, seed=own_seed, device=device)
            taught_by[own_seed] = taught
            return part

        learned = cross_fit(samples, fold, count=self.folds, seed=seed)
        examples = [example for n in sorted(taught_by) for example in taught_by[n]]
        groups, arrays = fault_type.fit_fault_types(examples)
        found = np.array([o for part in learned.facts["folds"] for o in part["overlaps"]])
        limit = LIMITS[int(found.mean(0).argmax())] if len(found) else 0.0
        facts = {
            "limit": limit,
            "overlap": float(found.mean(0).max()) if len(found) else None,
            "groups": groups,
            "folds": [{"steps": part["steps"]} for part in learned.facts["folds"]],
        }
        named = {f"resemblance/{name}": array for name, array in arrays.items()}
        return Learned({**learned.arrays, **named}, facts, learned.held_out)

    def read(self, normalized: NormalizedSample, learned: Learned) -> Reading:
        """Two statistics of the logits, and the map, 1 at the limit of the outline."""
        inputs = inputs_of(normalized)
        networks = networks_of(learned, normalized.device)
        logits = side_by_side(lambda network: logits_of(network, inputs), networks)
        # Each network's statistics, not those of the mean logits: that is less noisy than the
        # single network by which real scans were held out, and would not compare with them.
        readings = [Reading(_statistics(one, normalized.judged)) for one in logits]
        limit = torch.tensor(float(learned.facts["limit"]), device=normalized.device)
        mean = torch.stack(logits).mean(0)
        outline = functional.softplus(mean) / functional.softplus(limit) * normalized.judged
        return Reading(mean_reading(readings).statistics, outline)

    def _fold(
        self,
        train: Sequence[Sample],
        held: Sequence[Sample],
        reference: ReferenceStatistics,
        *,
        seed: int,
        device: str,
    ) -> tuple[FoldResult, list[FaultExample]]:
        families = families_for(reference.modality, without=self.without)
        training_set = training_samples(train, reference, families, volumes=self.volumes, seed=seed)
        budget = Budget(self.steps, BATCH, RATE)
        network, steps = train_network(training_set, budget, seed=seed, device=device)
        read = [_held_out_statistics(network, one, reference, device) for one in held]
        found = [list(o) for o in self._overlaps(network, held, reference, seed, device)]
        return FoldResult(
            state_to_arrays(network), read, {"steps": steps, "overlaps": found}
        ), training_set.examples

    def _overlaps(
        self,
        network: nn.Module,
        held: Sequence[Sample],
        reference: ReferenceStatistics,
        seed: int,
        device: str,
    ) -> Iterator[Sequence[float]]:
        """Overlaps at each limit, of faults planted in samples that the network never saw."""
        families = families_for(reference.modality, without=self.without)
        for index, sample in enumerate(held[: self.validated]):
            random = np.random.default_rng([seed, index, 1])
            expected = expected_without_patient(sample, reference)
            donor = random_other_sample(held, index, random)
            corrupted = corrupt(sample, donor, expected, reference, families, random=random)
            if corrupted.faults:
                logits = logits_of(network, inputs_of(corrupted.normalized).to(device)).cpu()
                yield [float(value) for value in overlaps_at_limits(logits, corrupted)]


def networks_of(learned: Learned, device: str) -> list[SegmentationNet]:
    """The network of each fold."""
    return [_network(arrays, device) for arrays in arrays_by_fold(learned)]


def _network(arrays: Mapping[str, Any], device: str) -> SegmentationNet:
    channels = int(arrays["stem.0.0.weight"].shape[1])
    return to_device(module_from_arrays(lambda: SegmentationNet(channels), arrays), device)


def _held_out_statistics(
    network: nn.Module, sample: Sample, reference: ReferenceStatistics, device: str
) -> Mapping[str, float]:
    """The statistics of an untouched sample that the network never saw."""
    normalized = NormalizedSample(
        sample, reference, expectation=expected_without_patient(sample, reference)
    )
    return _statistics(
        logits_of(network, inputs_of(normalized).to(device)).cpu(), normalized.judged
    )


def _statistics(logits: torch.Tensor, judged: torch.Tensor) -> dict[str, float]:
    positive = functional.softplus(logits) * judged
    return {
        "spot": mean_of_highest(box_mean(positive, SPOT), judged, share=0.0),
        "extent": mean_of_highest(positive, judged, share=EXTENT),
    }
