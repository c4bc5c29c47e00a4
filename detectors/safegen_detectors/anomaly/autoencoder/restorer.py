"""An autoencoder at work on samples: training it, and what it leaves of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from safegen_detectors.anomaly import framing
from safegen_detectors.anomaly.autoencoder.network import STRIDE, Network
from safegen_detectors.anomaly.autoencoder.perception import distances, resnet_levels
from safegen_detectors.anomaly.device import channels_last, placed
from safegen_detectors.anomaly.grids import tensor
from safegen_detectors.anomaly.model import Ground, Sample
from safegen_detectors.anomaly.residuals import Trace, trace_of
from safegen_detectors.anomaly.training import Budget, draw, train

SQUARED = 5.0  # weight of the squared difference, which minds faults, beside the absolute one


@dataclass(frozen=True, slots=True)
class Restorer:
    """A network for one ground, and a feature extractor; without one, the network's encoder."""

    network: Network
    ground: Ground
    device: str
    extractor: nn.Module | None = None

    def learn(self, samples: Sequence[Sample], budget: Budget, *, seed: int) -> int:
        """Train the network; the steps that were done."""
        weight = framing.weight(self.ground, STRIDE, device=self.device)

        def loss(n: int, random: torch.Generator) -> torch.Tensor:
            chosen = [samples[index] for index in draw(len(samples), n, random)]
            batch = self._batch(chosen, random)
            return restoration_loss(self.network(batch), batch, weight)

        shortest = min(self.network.lowest[1:])
        return train(self.network, loss, budget, seed=seed, device=self.device, shortest=shortest)

    @torch.inference_mode()
    def trace(self, sample: Sample) -> Trace:
        """What is left of a sample; the numbers are the feature distances, finest level first."""
        placed(self.network, self.device).eval()
        x = framing.deviation(sample, self.ground, STRIDE, device=self.device)[None, None]
        levels = self.network.levels(x)
        restored = self.network.decode(levels[-1])
        region = framing.judged(sample, self.ground, STRIDE, device=self.device)
        if self.extractor is None:
            seen = distances(levels, self.network.levels(restored), region)
        else:
            seen = self._distances(self.extractor, x, restored, region)
        return trace_of((x - restored)[0, 0], seen, region)

    def _distances(
        self, extractor: nn.Module, x: torch.Tensor, restored: torch.Tensor, region: torch.Tensor
    ) -> list[torch.Tensor]:
        extractor.to(self.device).eval()
        mean = framing.framed(tensor(self.ground.intensity, self.device), self.ground, STRIDE)
        ones, others = (resnet_levels(extractor, mean + part) for part in (x, restored))
        return distances(ones, others, region)

    def _batch(self, samples: Sequence[Sample], random: torch.Generator) -> torch.Tensor:
        volumes = [
            framing.varied_deviation(sample, self.ground, STRIDE, random=random, device=self.device)
            for sample in samples
        ]
        return channels_last(torch.stack(volumes)[:, None])


def restoration_loss(
    restored: torch.Tensor, truth: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Weighted absolute and squared difference of volumes (n, 1, i, j, k)."""
    difference = restored.float() - truth
    absolute = functional.l1_loss(restored.float(), truth, reduction="none")
    return ((absolute + SQUARED * difference.square()) * weight).mean() / weight.mean()
