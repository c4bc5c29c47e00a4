"""What the baselines with networks share: the grid, cross-fitting, one statistic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import nn

from safegen_detectors.anomaly.methods.base import Learned, ReadEach, Reader, Reading, top
from safegen_detectors.anomaly.methods.crossfit import (
    FoldResult,
    arrays_by_fold,
    cross_fit,
    mean_reading,
    outline_limit,
)
from safegen_detectors.anomaly.methods.diffusion.denoiser import Frame
from safegen_detectors.anomaly.methods.residuals import peak
from safegen_detectors.anomaly.methods.training import (
    Budget,
    Loss,
    random_indices,
    seeded,
    to_device,
    train,
)
from safegen_detectors.anomaly.methods.weights import module_from_arrays, state_to_arrays
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample

SPACING = 4.0  # mm
STRIDE = 4


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a network learns from: scans of real patients on a frame, and how long."""

    samples: Sequence[Sample]
    frame: Frame
    budget: Budget
    seed: int

    def batch(self, n: int, random: torch.Generator) -> torch.Tensor:
        """`n` scans (n, 1, i, j, k), varied."""
        chosen = random_indices(len(self.samples), n, random)
        return torch.stack([self.frame.varied(self.samples[index], random) for index in chosen])

    def teach(self, module: nn.Module, loss: Loss) -> None:
        """Train a module."""
        shortest = min(self.frame.weight().shape) // STRIDE
        train(
            module, loss, self.budget, seed=self.seed, device=self.frame.device, shortest=shortest
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What one network sees in a scan; the map lies on the network's grid, in its own units."""

    statistics: Mapping[str, float]
    top: float
    map: torch.Tensor


@dataclass(frozen=True, slots=True)
class NetworkBaseline:
    """A method made of three functions.

    `build` makes the network, `learn` trains it, and `look` gives a map (i, j, k), at least 0,
    of a scan (1, 1, i, j, k) about 0..1. The statistic is the mean of the map's highest 1 %; the
    reading's map is 1 at the median top of held-out real scans.
    `spacing` in mm is the finest grid that it works on.
    """

    name: str
    build: Callable[[], nn.Module]
    learn: Callable[[nn.Module, Lesson], None]
    plan: Callable[[nn.Module, torch.Tensor, Frame], torch.Tensor]
    steps: int
    batch: int = 2
    folds: int = 2
    spacing: float = SPACING

    def fit(
        self, samples: Sequence[Sample], reference: ReferenceStatistics, *, seed: int, device: str
    ) -> Learned:
        """Networks by cross-fitting."""
        fold = partial(self._fit_fold, frame=self._frame(samples[0], reference, device))
        learned = cross_fit(samples, fold, count=self.folds, seed=seed)
        return replace(learned, facts={**learned.facts, "limit": outline_limit(learned)})

    def open(
        self,
        learned: Learned,
        reference: ReferenceStatistics,  # noqa: ARG002  each sample brings its own
        *,
        device: str,
    ) -> Reader:
        """The networks of all folds."""
        modules = [
            to_device(module_from_arrays(self.build, arrays), device)
            for arrays in arrays_by_fold(learned)
        ]
        return ReadEach(partial(self._read, modules=modules, limit=learned.facts["limit"]))

    def _read(
        self, normalized: NormalizedSample, *, modules: Sequence[nn.Module], limit: float
    ) -> Reading:
        """The mean over the networks."""
        sample = normalized.sample
        frame = self._frame(sample, normalized.reference, normalized.device)
        readings = []
        for module in modules:
            seen = self._seen(module, sample, frame)
            readings.append(Reading(seen.statistics, frame.on_own(seen.map / limit, sample)))
        return mean_reading(readings)

    def _frame(self, sample: Sample, reference: ReferenceStatistics, device: str) -> Frame:
        """Plain intensities, not deviations from the mean."""
        plain = replace(reference, intensity=np.zeros_like(reference.intensity))
        return Frame(plain, max(1, round(self.spacing / sample.spacing)), STRIDE, device)

    def _fit_fold(
        self, known: Sequence[Sample], unseen: Sequence[Sample], seed: int, *, frame: Frame
    ) -> FoldResult:
        with seeded(seed, frame.device):
            module = self.build()
        self.learn(module, Lesson(known, frame, Budget(self.steps, self.batch), seed))
        arrays = state_to_arrays(module)
        module = module_from_arrays(self.build, arrays)
        seen = [self._seen(module, sample, frame) for sample in unseen]
        facts = {"steps": self.steps, "tops": [one.top for one in seen]}
        return FoldResult(arrays, [one.statistics for one in seen], facts)

    @torch.inference_mode()
    def _seen(self, module: nn.Module, sample: Sample, frame: Frame) -> Seen:
        to_device(module, frame.device).eval()
        region = frame.region(sample)
        found = self.plan(module, frame.volume(sample), frame).float() * region
        return Seen({"peak": peak(found, region)}, top(found, region), found)


def unet(channels: int = 1) -> nn.Module:
    """A small 3-D U-Net with one output: MONAI's SegResNet on three levels."""
    from monai.networks.nets.segresnet import SegResNet  # takes seconds to import

    return SegResNet(
        3,
        init_filters=16,
        in_channels=channels,
        blocks_down=(1, 1, 1),
        blocks_up=(1, 1),
        out_channels=1,
    )


def box_mask(
    shape: Sequence[int], random: torch.Generator, *, narrow: float, wide: float
) -> torch.Tensor:
    """bool (i, j, k): a box in the central 80 %, its sides that share of the volume's."""
    mask = torch.zeros(tuple(shape), dtype=torch.bool)
    place, share = torch.rand(3, generator=random), torch.rand(3, generator=random)
    sides = []
    for n, p, s in zip(shape, place.tolist(), share.tolist(), strict=True):
        half = max(1, round(n * (narrow + (wide - narrow) * s) / 2))
        middle = round(n * (0.1 + 0.8 * p))
        sides.append(slice(max(0, middle - half), middle + half))
    mask[tuple(sides)] = True
    return mask
