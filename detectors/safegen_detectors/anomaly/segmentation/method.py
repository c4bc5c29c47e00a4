"""Fit and read the network: two halves of the patients, each judged by what the other taught."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from safegen_detectors.anomaly.crossfit import Part, averaged, cross_fit, members
from safegen_detectors.anomaly.device import placed
from safegen_detectors.anomaly.features import box_mean
from safegen_detectors.anomaly.maps import highest
from safegen_detectors.anomaly.model import Ground, Learned, Reading, Sample
from safegen_detectors.anomaly.segmentation import resemblance
from safegen_detectors.anomaly.segmentation.learning import (
    LIMITS,
    overlaps,
    trained,
)
from safegen_detectors.anomaly.segmentation.network import SegmentationNet, inputs_of, logits_of
from safegen_detectors.anomaly.segmentation.pool import (
    another,
    families_for,
    lessons_of,
    spoil,
    usual_without,
)
from safegen_detectors.anomaly.segmentation.resemblance import Example
from safegen_detectors.anomaly.training import Budget
from safegen_detectors.anomaly.view import View
from safegen_detectors.anomaly.weights import arrays_of, with_arrays
from safegen_detectors.threads import side_by_side

BATCH = 4
RATE = 3e-3
SPOT = 3  # voxels a side of the cube whose mean is highest
EXTENT = 0.01  # of what is judged


@dataclass(frozen=True, slots=True)
class ArtefactSegmentation:
    """A small U-Net that learns to outline faults planted in the user's own real scans.

    `steps` of training a fold; `folds` of patients; `volumes` with planted faults a fold;
    `validated` spoiled volumes a fold to choose the outline's limit on; `without` lists names or
    groups of fault families not to learn from.
    """

    name: str = "artefact-segmentation"
    steps: int = 1200
    folds: int = 2
    volumes: int = 160
    validated: int = 16
    without: tuple[str, ...] = ()

    def fit(self, samples: Sequence[Sample], ground: Ground, *, seed: int, device: str) -> Learned:
        """A network a fold, the statistics of all samples held out, and the outline's limit."""
        taught_by: dict[int, list[Example]] = {}  # by the fold's seed, since folds end in any order

        def fold(train: Sequence[Sample], held: Sequence[Sample], own_seed: int) -> Part:
            part, taught = self._fold(train, held, ground, seed=own_seed, device=device)
            taught_by[own_seed] = taught
            return part

        learned = cross_fit(samples, fold, count=self.folds, seed=seed)
        examples = [example for n in sorted(taught_by) for example in taught_by[n]]
        groups, arrays = resemblance.learn(examples)
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

    def read(self, view: View, learned: Learned) -> Reading:
        """Two statistics of the logits, and the map, 1 at the limit of the outline."""
        inputs = inputs_of(view)
        networks = networks_of(learned, view.device)
        logits = side_by_side(lambda network: logits_of(network, inputs), networks)
        # Each network's statistics, not those of the mean logits: that is less noisy than the
        # single network by which real scans were held out, and would not compare with them.
        readings = [Reading(_statistics(one, view.judged)) for one in logits]
        limit = torch.tensor(float(learned.facts["limit"]), device=view.device)
        mean = torch.stack(logits).mean(0)
        outline = functional.softplus(mean) / functional.softplus(limit) * view.judged
        return Reading(averaged(readings).statistics, outline)

    def _fold(
        self,
        train: Sequence[Sample],
        held: Sequence[Sample],
        ground: Ground,
        *,
        seed: int,
        device: str,
    ) -> tuple[Part, list[Example]]:
        families = families_for(ground.modality, without=self.without)
        lessons = lessons_of(train, ground, families, volumes=self.volumes, seed=seed)
        budget = Budget(self.steps, BATCH, RATE)
        network, steps = trained(lessons, budget, seed=seed, device=device)
        read = [_held_out(network, one, ground, device) for one in held]
        found = [list(o) for o in self._overlaps(network, held, ground, seed, device)]
        return Part(arrays_of(network), read, {"steps": steps, "overlaps": found}), lessons.examples

    def _overlaps(
        self, network: nn.Module, held: Sequence[Sample], ground: Ground, seed: int, device: str
    ) -> Iterator[Sequence[float]]:
        """Overlaps at each limit, of faults planted in samples that the network never saw."""
        families = families_for(ground.modality, without=self.without)
        for index, sample in enumerate(held[: self.validated]):
            random = np.random.default_rng([seed, index, 1])
            usual = usual_without(sample, ground)
            donor = another(held, index, random)
            spoiled = spoil(sample, donor, usual, ground, families, random=random)
            if spoiled.faults:
                logits = logits_of(network, inputs_of(spoiled.view).to(device)).cpu()
                yield [float(value) for value in overlaps(logits, spoiled)]


def networks_of(learned: Learned, device: str) -> list[SegmentationNet]:
    """The network of each fold."""
    return [_network(arrays, device) for arrays in members(learned)]


def _network(arrays: Mapping[str, Any], device: str) -> SegmentationNet:
    channels = int(arrays["stem.0.0.weight"].shape[1])
    return placed(with_arrays(lambda: SegmentationNet(channels), arrays), device)


def _held_out(
    network: nn.Module, sample: Sample, ground: Ground, device: str
) -> Mapping[str, float]:
    """The statistics of an untouched sample that the network never saw."""
    view = View(sample, ground, usual=usual_without(sample, ground))
    return _statistics(logits_of(network, inputs_of(view).to(device)).cpu(), view.judged)


def _statistics(logits: torch.Tensor, judged: torch.Tensor) -> dict[str, float]:
    positive = functional.softplus(logits) * judged
    return {
        "spot": highest(box_mean(positive, SPOT), judged, share=0.0),
        "extent": highest(positive, judged, share=EXTENT),
    }
