"""Fit and read the method: a network per fold, each applied to the patients it never saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from safegen_detectors.anomaly.methods.base import Learned, Reading, mean_of_highest
from safegen_detectors.anomaly.methods.crossfit import (
    FoldResult,
    arrays_by_fold,
    cross_fit,
    mean_reading,
)
from safegen_detectors.anomaly.methods.segmentation.fault_type import (
    FaultExample,
    FaultTypes,
    fit_fault_types,
)
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
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample, arrays_below
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
        by_seed: dict[int, list[FaultExample]] = {}  # the folds' seeds: folds end in any order

        def fold(train: Sequence[Sample], unseen: Sequence[Sample], own_seed: int) -> FoldResult:
            part, examples = self._fold(train, unseen, reference, seed=own_seed, device=device)
            by_seed[own_seed] = examples
            return part

        learned = cross_fit(samples, fold, count=self.folds, seed=seed)
        types = fit_fault_types([example for n in sorted(by_seed) for example in by_seed[n]])
        found = np.array([o for part in learned.facts["folds"] for o in part["overlaps"]])
        limit = LIMITS[int(found.mean(0).argmax())] if len(found) else 0.0
        facts = {
            "limit": limit,
            "overlap": float(found.mean(0).max()) if len(found) else None,
            "groups": list(types.groups),
            "folds": [{"steps": part["steps"]} for part in learned.facts["folds"]],
        }
        return Learned({**learned.arrays, **_arrays_of(types)}, facts, learned.held_out)

    def open(
        self,
        learned: Learned,
        reference: ReferenceStatistics,  # noqa: ARG002  each sample brings its own
        *,
        device: str,
    ) -> SegmentationReader:
        """The reader, with the network of each fold on the device."""
        networks = tuple(_network(arrays, device) for arrays in arrays_by_fold(learned))
        limit = torch.tensor(float(learned.facts["limit"]), device=device)
        return SegmentationReader(networks, limit, _fault_types_of(learned))

    def _fold(
        self,
        train: Sequence[Sample],
        unseen: Sequence[Sample],
        reference: ReferenceStatistics,
        *,
        seed: int,
        device: str,
    ) -> tuple[FoldResult, list[FaultExample]]:
        families = families_for(reference.modality, without=self.without)
        training_set = training_samples(train, reference, families, volumes=self.volumes, seed=seed)
        budget = Budget(self.steps, BATCH, RATE)
        network, steps = train_network(training_set, budget, seed=seed, device=device)
        read = [_held_out_statistics(network, sample, reference, device) for sample in unseen]
        found = [list(o) for o in self._overlaps(network, unseen, reference, seed, device)]
        return FoldResult(
            state_to_arrays(network), read, {"steps": steps, "overlaps": found}
        ), training_set.examples

    def _overlaps(
        self,
        network: nn.Module,
        unseen: Sequence[Sample],
        reference: ReferenceStatistics,
        seed: int,
        device: str,
    ) -> Iterator[Sequence[float]]:
        """Overlaps at each limit, of faults planted in samples that the network never saw."""
        families = families_for(reference.modality, without=self.without)
        for index, sample in enumerate(unseen[: self.validated]):
            random = np.random.default_rng([seed, index, 1])
            expected = expected_without_patient(sample, reference)
            donor = random_other_sample(unseen, index, random)
            corrupted = corrupt(sample, donor, expected, reference, families, random=random)
            if corrupted.faults:
                logits = logits_of(network, inputs_of(corrupted.normalized).to(device)).cpu()
                yield [float(value) for value in overlaps_at_limits(logits, corrupted)]


@dataclass(frozen=True, slots=True)
class SegmentationReader:
    """Outlines faults with the network of each fold; `limit` is the logit of the outline."""

    networks: tuple[SegmentationNet, ...]
    limit: torch.Tensor
    fault_types: FaultTypes

    def read(self, normalized: NormalizedSample) -> Reading:
        """Two statistics of the logits, and the map, 1 at the limit of the outline."""
        inputs = inputs_of(normalized)
        logits = side_by_side(lambda network: logits_of(network, inputs), self.networks)
        # Each network's statistics, not those of the mean logits: that is less noisy than the
        # single network by which real scans were held out, and would not compare with them.
        readings = [Reading(_statistics(one, normalized.judged)) for one in logits]
        mean = torch.stack(logits).mean(0)
        outline = functional.softplus(mean) / functional.softplus(self.limit) * normalized.judged
        return Reading(mean_reading(readings).statistics, outline)


FAULT_TYPES_KEY = "resemblance"


def _arrays_of(types: FaultTypes) -> dict[str, NDArray[Any]]:
    if not types.groups:
        return {}
    return {
        f"{FAULT_TYPES_KEY}/weights": types.weights,
        f"{FAULT_TYPES_KEY}/offsets": types.offsets,
    }


def _fault_types_of(learned: Learned) -> FaultTypes:
    arrays = arrays_below(learned.arrays, FAULT_TYPES_KEY)
    if not arrays:
        return FaultTypes([], np.empty((0, 0)), np.empty(0))
    return FaultTypes(learned.facts["groups"], arrays["weights"], arrays["offsets"])


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
