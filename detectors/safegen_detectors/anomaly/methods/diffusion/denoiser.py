"""A diffusion model applied to samples: training, partial denoising, likelihood errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from pytest_safegen.api import NotJudged
from safegen_detectors.anomaly.methods import framing
from safegen_detectors.anomaly.methods.diffusion.network import (
    add_noise,
    partially_denoised,
    predict,
    signal_variance,
    velocity,
)
from safegen_detectors.anomaly.methods.residuals import Residuals, residuals_of
from safegen_detectors.anomaly.methods.training import (
    Budget,
    autocast,
    channels_last,
    map_in_batches,
    random_indices,
    to_device,
    train,
)
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample

SCANS_FOR_SCALE = 16


@dataclass(frozen=True, slots=True)
class Frame:
    """How samples become volumes of the network: pooling, padding, and the scale of deviations."""

    reference: ReferenceStatistics
    pooling: int
    stride: int
    device: str
    scale: float = 1.0

    @property
    def multiple(self) -> int:
        """Sides on the template's grid are padded to its multiples."""
        return self.pooling * self.stride

    def volume(self, sample: Sample) -> torch.Tensor:
        """The deviation of a sample (1, 1, i, j, k), of about unit variance in the body."""
        full = framing.deviation(sample, self.reference, self.multiple, device=self.device)
        return self._pooled(full)[None, None] / self.scale

    def varied(self, sample: Sample, random: torch.Generator) -> torch.Tensor:
        """The same for training, with varied intensity and side, (1, i, j, k)."""
        full = framing.augmented_deviation(
            sample, self.reference, self.multiple, random=random, device=self.device
        )
        return self._pooled(full)[None] / self.scale

    def weight(self) -> torch.Tensor:
        """The weight of each voxel in the loss."""
        return self._pooled(framing.weight(self.reference, self.multiple, device=self.device))

    def region(self, sample: Sample | None = None) -> torch.Tensor:
        """bool: where to judge a sample, or where to judge at all.

        Raises:
            NotJudged: too little of the sample is left for this grid.
        """
        if sample is None:
            full = framing.region(self.reference, self.multiple)
        else:
            full = framing.judged_region(sample, self.reference, self.multiple, device=self.device)
        where = self._pooled(full.float()) > 0.5
        if not where.any():
            raise NotJudged(
                "the annotated pathology covers everything that could be judged",
                headline="Nothing to judge outside the annotated pathology",
            )
        return where

    def on_own(self, values: torch.Tensor, sample: Sample) -> torch.Tensor:
        """A map of the network's grid on the sample's own grid."""
        full = functional.interpolate(
            values.float()[None, None], scale_factor=float(self.pooling), mode="trilinear"
        )
        return framing.whole_map(full[0, 0], sample, self.reference)

    def _pooled(self, volume: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool3d(volume[None, None], self.pooling)[0, 0]


@dataclass(frozen=True, slots=True)
class DenoisingPlan:
    """How a scan is read: levels of noise to restore through, levels to predict at, the seed.

    The same noise for all scans, so that a scan always gets the same score.
    """

    restore: Sequence[int]
    predict: Sequence[int]
    draws: int
    seed: int


@dataclass(frozen=True, slots=True)
class Denoiser:
    """A diffusion network for one frame."""

    unet: nn.Module
    frame: Frame

    def learn(self, samples: Sequence[Sample], budget: Budget, *, highest: int, seed: int) -> int:
        """Train the network to tell the noise up to the highest level; the steps that were done.

        Levels at which no scan is ever read are excluded: they would take most of a short training.
        """
        device = self.frame.device
        shares, weight = signal_variance(device), self.frame.weight()

        def loss(n: int, random: torch.Generator) -> torch.Tensor:
            chosen = [samples[index] for index in random_indices(len(samples), n, random)]
            x = torch.stack([self.frame.varied(sample, random) for sample in chosen])
            levels = torch.randint(highest + 1, (n,), generator=random).to(device)
            noise = torch.randn(x.shape, generator=random).to(device)
            seen = channels_last(add_noise(x, noise, shares[levels]))
            predicted = torch.as_tensor(self.unet(seen, levels)).float()
            miss = predicted - velocity(x, noise, shares[levels])
            return (miss.square() * weight).mean() / weight.mean()

        shortest = min(weight.shape) // self.frame.stride
        return train(self.unet, loss, budget, seed=seed, device=device, shortest=shortest)

    @torch.inference_mode()
    def observe(self, sample: Sample, plan: DenoisingPlan) -> Residuals:
        """What is left of a sample; the numbers are the errors at the levels of `predict`."""
        device = self.frame.device
        to_device(self.unet, device).eval()
        x, region = self.frame.volume(sample), self.frame.region(sample)
        noises = noise_like(x, plan.draws, plan.seed)
        with autocast(device):
            parts = map_in_batches(
                lambda some: partially_denoised(
                    self.unet, x.expand(len(some), *x.shape[1:]), as_batch(some), plan.restore
                ),
                noises,
                len(noises),
            )
            errors = [self._error(x, noises, level, region) for level in plan.predict]
        return residuals_of((x - torch.cat(parts).mean(0))[0, 0], errors, region)

    @torch.inference_mode()
    def path(self, sample: Sample, plan: DenoisingPlan) -> torch.Tensor:
        """How wrong the network is at each voxel (i, j, k) on the way back from noise.

        The square error of the predicted velocity, the mean over the levels of `predict`.
        """
        device = self.frame.device
        to_device(self.unet, device).eval()
        x, region = self.frame.volume(sample), self.frame.region(sample)
        noises = noise_like(x, plan.draws, plan.seed)
        with autocast(device):
            errors = [self._errors(x, noises, level) for level in plan.predict]
        return torch.stack(errors).mean(0) * region.to(device)

    def _error(
        self, x: torch.Tensor, noises: Sequence[torch.Tensor], level: int, region: torch.Tensor
    ) -> torch.Tensor:
        """Mean square error of the predicted velocity over the region, at one level of noise.

        A term of the bound on the likelihood, up to a factor of the level (Ho et al. 2020).
        """
        return self._errors(x, noises, level)[region].mean()

    def _errors(self, x: torch.Tensor, noises: Sequence[torch.Tensor], level: int) -> torch.Tensor:
        share = signal_variance(self.frame.device)[level].reshape(1)
        misses = [
            predict(self.unet, add_noise(x, noise, share), level) - velocity(x, noise, share)
            for noise in noises
        ]
        return torch.stack([miss[0, 0].square() for miss in misses]).mean(0)


def scale_of(samples: Sequence[Sample], frame: Frame) -> float:
    """The standard deviation of deviations over the region, from a few samples."""
    region = frame.region().to(frame.device)
    few = [
        frame.volume(sample)[0, 0][region].square().mean() for sample in samples[:SCANS_FOR_SCALE]
    ]
    return float(torch.stack(few).mean().sqrt().clamp_min(1e-3))


def noise_like(x: torch.Tensor, count: int, seed: int) -> list[torch.Tensor]:
    """`count` volumes of noise like x, the same for a seed on every device."""
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(x.shape, generator=random).to(x.device) for _ in range(count)]


def as_batch(volumes: Sequence[torch.Tensor]) -> torch.Tensor:
    """Volumes (1, c, i, j, k) as one batch."""
    return channels_last(torch.cat(list(volumes)))
