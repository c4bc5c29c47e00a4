"""Fit and read the method: diffusion models by cross-fitting, and the residuals they leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from safegen_detectors.anomaly.methods import residuals
from safegen_detectors.anomaly.methods.base import Learned, Reading
from safegen_detectors.anomaly.methods.crossfit import (
    FoldResult,
    arrays_by_fold,
    cross_fit,
    mean_reading,
    outline_limit,
)
from safegen_detectors.anomaly.methods.diffusion.denoiser import (
    Denoiser,
    DenoisingPlan,
    Frame,
    scale_of,
)
from safegen_detectors.anomaly.methods.diffusion.network import (
    Size,
    SizeName,
    build_network,
    noise_levels_down,
    pooling_factor,
    size_for,
    size_from_facts,
)
from safegen_detectors.anomaly.methods.residuals import Residuals
from safegen_detectors.anomaly.methods.training import Budget, seeded, to_device
from safegen_detectors.anomaly.methods.weights import module_from_arrays, state_to_arrays
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample

NETWORK = "network/"


@dataclass(frozen=True, slots=True)
class Diffusion:
    """Adds part of the noise to a scan, takes it away again, and judges what has changed.

    `size` "small" works at 4 mm on a processor, "large" at up to 1 mm on a graphics card.
    `level` of 1000 is how much noise is added, `restore_steps` in how many steps it is taken away,
    `likelihood_levels` where the network's error estimates the likelihood, `draws` the number of
    noises. `level`, `restore_steps`, and `steps` and `batch` of training, default to those of the
    size; `seconds` is a limit for slow machines.
    """

    size: SizeName | Size = "auto"
    level: int | None = None
    restore_steps: int | None = None
    likelihood_levels: tuple[int, ...] = (100, 250, 450)
    draws: int = 2
    steps: int | None = None
    batch: int | None = None
    rate: float = 2e-3
    seconds: float | None = None
    folds: int = 2

    name = "diffusion"

    def fit(
        self, samples: Sequence[Sample], reference: ReferenceStatistics, *, seed: int, device: str
    ) -> Learned:
        """Networks by cross-fitting, and the residuals they leave of real scans.

        Raises:
            ValueError: fewer patients than folds.
        """
        size = size_for(self.size, device)
        facts = {
            "size": asdict(size),
            "restore": noise_levels_down(
                self.level or size.level, self.restore_steps or size.restore
            ),
            "predict": list(self.likelihood_levels),
            "draws": self.draws,
            "seed": seed,
        }
        fold = partial(self._fit_fold, facts=facts, reference=reference, device=device)
        learned = cross_fit(samples, fold, count=self.folds, seed=seed)
        return replace(learned, facts={**facts, **learned.facts, "limit": outline_limit(learned)})

    def open(
        self, learned: Learned, reference: ReferenceStatistics, *, device: str
    ) -> DiffusionReader:
        """The reader, with the network of each fold on the device."""
        size = size_from_facts(learned.facts["size"])
        nowhere = torch.zeros(0, dtype=torch.bool)  # the region depends on a sample's spacing
        folds = tuple(
            DiffusionFold(
                to_device(
                    module_from_arrays(partial(build_network, size), arrays, NETWORK), device
                ),
                facts["scale"],
                residuals.residuals_from_arrays(arrays, nowhere),
            )
            for arrays, facts in zip(arrays_by_fold(learned), learned.facts["folds"], strict=True)
        )
        plan = _denoising_plan(learned.facts)
        return DiffusionReader(folds, size, plan, reference, device, learned.facts["limit"])

    def _fit_fold(
        self,
        train: Sequence[Sample],
        unseen: Sequence[Sample],
        seed: int,
        *,
        facts: Mapping[str, Any],
        reference: ReferenceStatistics,
        device: str,
    ) -> FoldResult:
        size = size_from_facts(facts["size"])
        plain = _frame(size, train[0], reference, device, 1.0)
        frame = replace(plain, scale=scale_of(train, plain))
        with seeded(seed, device):
            fresh = build_network(size)
        budget = Budget(self.steps or size.steps, self.batch or size.batch, self.rate, self.seconds)
        highest = max(*facts["restore"], *facts["predict"])
        steps = Denoiser(fresh, frame).learn(train, budget, highest=highest, seed=seed)
        weights = state_to_arrays(fresh, NETWORK)
        # Rounded, as others will get it.
        denoiser = Denoiser(
            module_from_arrays(partial(build_network, size), weights, NETWORK), frame
        )
        observations = [denoiser.observe(sample, _denoising_plan(facts)) for sample in unseen]
        arrays = {
            **weights,
            **residuals.residuals_to_arrays(residuals.mean_residuals(observations)),
        }
        found = {
            "steps": steps,
            "scale": frame.scale,
            "tops": residuals.held_out_tops(observations),
        }
        return FoldResult(arrays, residuals.held_out(observations, statistics), found)


@dataclass(frozen=True, slots=True)
class DiffusionFold:
    """A network, the scale of its inputs, and the residuals it leaves of real scans."""

    unet: nn.Module
    scale: float
    expected: Residuals


@dataclass(frozen=True, slots=True)
class DiffusionReader:
    """Denoises scans with the network of each fold."""

    folds: tuple[DiffusionFold, ...]
    size: Size
    plan: DenoisingPlan
    reference: ReferenceStatistics
    device: str
    limit: float

    def read(self, normalized: NormalizedSample) -> Reading:
        """The mean over the networks; the map is 1 where the tops of half the real scans begin."""
        return mean_reading([self._reading(fold, normalized.sample) for fold in self.folds])

    def denoising_path(self, sample: Sample) -> torch.Tensor:
        """How wrong the networks are at each voxel (i, j, k) on the way back from noise."""
        denoisers = [self._denoiser(fold, sample) for fold in self.folds]
        maps = [one.frame.on_own(one.path(sample, self.plan), sample) for one in denoisers]
        return torch.stack(maps).mean(0)

    def _reading(self, fold: DiffusionFold, sample: Sample) -> Reading:
        denoiser = self._denoiser(fold, sample)
        observed = denoiser.observe(sample, self.plan)
        expected = replace(fold.expected, region=denoiser.frame.region().cpu())
        outline = residuals.relative_residual(observed, expected) / self.limit
        return Reading(statistics(observed, expected), denoiser.frame.on_own(outline, sample))

    def _denoiser(self, fold: DiffusionFold, sample: Sample) -> Denoiser:
        return Denoiser(
            fold.unet, _frame(self.size, sample, self.reference, self.device, fold.scale)
        )


def statistics(observed: Residuals, expected: Residuals) -> Mapping[str, float]:
    """How far residuals are from the expected ones, by name; higher is worse."""
    departure = residuals.relative_residual(observed, expected)
    return {
        "denoising": residuals.root_mean_square(departure, observed.region),
        "denoising peak": residuals.peak(departure, observed.region),
        "likelihood": residuals.mean_ratio(observed.numbers, expected.numbers),
        "likelihood change": residuals.mean_log_ratio(observed.numbers, expected.numbers),
        "smoothness": residuals.smoothness(observed, expected),
    }


def _frame(
    size: Size, sample: Sample, reference: ReferenceStatistics, device: str, scale: float
) -> Frame:
    return Frame(reference, pooling_factor(size, sample), size.stride, device, scale)


def _denoising_plan(facts: Mapping[str, Any]) -> DenoisingPlan:
    return DenoisingPlan(facts["restore"], facts["predict"], facts["draws"], facts["seed"])
