"""Fit and read the method: autoencoders by cross-fitting, and the residuals they leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from safegen_detectors.anomaly.methods import framing, residuals
from safegen_detectors.anomaly.methods.autoencoder.network import (
    STRIDE,
    AutoencoderNetwork,
    extractor_from_file,
    feature_distances,
    resnet,
    resnet_levels,
)
from safegen_detectors.anomaly.methods.base import Learned, Reading
from safegen_detectors.anomaly.methods.crossfit import (
    FoldResult,
    arrays_by_fold,
    cross_fit,
    mean_reading,
    outline_limit,
)
from safegen_detectors.anomaly.methods.residuals import Residuals, residuals_of
from safegen_detectors.anomaly.methods.training import (
    Budget,
    channels_last,
    random_indices,
    seeded,
    to_device,
    train,
)
from safegen_detectors.anomaly.methods.weights import module_from_arrays, state_to_arrays
from safegen_detectors.anomaly.reference.grids import tensor
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.types import Arrays, ReferenceStatistics, Sample

SQUARED_ERROR_WEIGHT = (
    5.0  # weight of the squared difference, which minds faults, beside the absolute one
)


@dataclass(frozen=True, slots=True)
class Restorer:
    """A network for one reference, and a feature extractor; without one, the network's encoder."""

    network: AutoencoderNetwork
    reference: ReferenceStatistics
    device: str
    extractor: nn.Module | None = None

    def learn(self, samples: Sequence[Sample], budget: Budget, *, seed: int) -> int:
        """Train the network; the steps that were done."""
        weight = framing.weight(self.reference, STRIDE, device=self.device)

        def loss(n: int, random: torch.Generator) -> torch.Tensor:
            chosen = [samples[index] for index in random_indices(len(samples), n, random)]
            batch = self._batch(chosen, random)
            return restoration_loss(self.network(batch), batch, weight)

        shortest = min(self.network.lowest[1:])
        return train(self.network, loss, budget, seed=seed, device=self.device, shortest=shortest)

    @torch.inference_mode()
    def observe(self, sample: Sample) -> Residuals:
        """What is left of a sample; the numbers are the feature distances, finest level first."""
        to_device(self.network, self.device).eval()
        x = framing.deviation(sample, self.reference, STRIDE, device=self.device)[None, None]
        levels = self.network.levels(x)
        restored = self.network.decode(levels[-1])
        region = framing.judged_region(sample, self.reference, STRIDE, device=self.device)
        if self.extractor is None:
            seen = feature_distances(levels, self.network.levels(restored), region)
        else:
            seen = self._distances(self.extractor, x, restored, region)
        return residuals_of((x - restored)[0, 0], seen, region)

    def _distances(
        self, extractor: nn.Module, x: torch.Tensor, restored: torch.Tensor, region: torch.Tensor
    ) -> list[torch.Tensor]:
        extractor.to(self.device).eval()
        mean = framing.framed(tensor(self.reference.intensity, self.device), self.reference, STRIDE)
        ones, others = (resnet_levels(extractor, mean + part) for part in (x, restored))
        return feature_distances(ones, others, region)

    def _batch(self, samples: Sequence[Sample], random: torch.Generator) -> torch.Tensor:
        volumes = [
            framing.augmented_deviation(
                sample, self.reference, STRIDE, random=random, device=self.device
            )
            for sample in samples
        ]
        return channels_last(torch.stack(volumes)[:, None])


def restoration_loss(
    restored: torch.Tensor, truth: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Weighted absolute and squared difference of volumes (n, 1, i, j, k)."""
    difference = restored.float() - truth
    absolute = functional.l1_loss(restored.float(), truth, reduction="none")
    return ((absolute + SQUARED_ERROR_WEIGHT * difference.square()) * weight).mean() / weight.mean()


NETWORK, EXTRACTOR = "network/", "extractor/"


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """Restores scans from a code of `latent` numbers, and judges what is lost.

    `steps` of `batch` volumes for each of `folds` networks; about a minute and a half a network
    on two processor cores. `seconds` is a limit for slow machines. `weights` is a .safetensors
    file with a 3-D ResNet-10 for the feature distance, otherwise the encoder's own features.
    """

    latent: int = 256
    channels: tuple[int, ...] = (16, 32, 64, 128, 128)
    steps: int = 240
    batch: int = 2
    rate: float = 1e-3
    seconds: float | None = None
    folds: int = 2
    weights: str | Path | None = None

    name = "autoencoder"

    def fit(
        self, samples: Sequence[Sample], reference: ReferenceStatistics, *, seed: int, device: str
    ) -> Learned:
        """Networks by cross-fitting, and the residuals they leave of real scans.

        Raises:
            UsageProblem: the weights are no .safetensors file of the right network.
            ValueError: fewer patients than folds.
        """
        extractor = None if self.weights is None else extractor_from_file(self.weights)
        fold = partial(self._fit_fold, extractor=extractor, reference=reference, device=device)
        learned = cross_fit(samples, fold, count=self.folds, seed=seed)
        shared = {} if extractor is None else state_to_arrays(extractor, EXTRACTOR)
        facts = {
            **learned.facts,
            "latent": self.latent,
            "channels": list(self.channels),
            "limit": outline_limit(learned),
        }
        return replace(learned, arrays={**learned.arrays, **shared}, facts=facts)

    def open(
        self, learned: Learned, reference: ReferenceStatistics, *, device: str
    ) -> AutoencoderReader:
        """The reader, with the network of each fold on the device."""
        channels, latent = tuple(learned.facts["channels"]), learned.facts["latent"]
        build = partial(_network, reference, channels, latent)
        extractor = _extractor_from_arrays(learned.arrays)
        region = framing.region(reference, STRIDE)
        folds = []
        for arrays in arrays_by_fold(learned):
            network = to_device(module_from_arrays(build, arrays, NETWORK), device)
            expected = residuals.residuals_from_arrays(arrays, region)
            folds.append((Restorer(network, reference, device, extractor), expected))
        return AutoencoderReader(tuple(folds), learned.facts["limit"])

    def _fit_fold(
        self,
        train: Sequence[Sample],
        unseen: Sequence[Sample],
        seed: int,
        *,
        extractor: nn.Module | None,
        reference: ReferenceStatistics,
        device: str,
    ) -> FoldResult:
        build = partial(_network, reference, self.channels, self.latent)
        with seeded(seed, device):
            fresh = build()
        budget = Budget(self.steps, self.batch, self.rate, self.seconds)
        steps = Restorer(fresh, reference, device).learn(train, budget, seed=seed)
        weights = state_to_arrays(fresh, NETWORK)
        network = module_from_arrays(build, weights, NETWORK)  # rounded, as others will get it
        restorer = Restorer(network, reference, device, extractor)
        observations = [restorer.observe(sample) for sample in unseen]
        arrays = {
            **weights,
            **residuals.residuals_to_arrays(residuals.mean_residuals(observations)),
        }
        facts = {"steps": steps, "tops": residuals.held_out_tops(observations)}
        return FoldResult(arrays, residuals.held_out(observations, statistics), facts)


@dataclass(frozen=True, slots=True)
class AutoencoderReader:
    """The network of each fold with the residuals it leaves of real scans."""

    folds: tuple[tuple[Restorer, Residuals], ...]
    limit: float

    def read(self, normalized: NormalizedSample) -> Reading:
        """The mean over the networks; the map is 1 where the tops of half the real scans begin."""
        return mean_reading([self._reading(*fold, normalized.sample) for fold in self.folds])

    def _reading(self, restorer: Restorer, expected: Residuals, sample: Sample) -> Reading:
        observed = restorer.observe(sample)
        outline = residuals.relative_residual(observed, expected) / self.limit
        return Reading(
            statistics(observed, expected), framing.whole_map(outline, sample, restorer.reference)
        )


def statistics(observed: Residuals, expected: Residuals) -> Mapping[str, float]:
    """How far residuals are from the expected ones, by name; higher is worse."""
    departure = residuals.relative_residual(observed, expected)
    return {
        "reconstruction": residuals.root_mean_square(departure, observed.region),
        "reconstruction peak": residuals.peak(departure, observed.region),
        "feature distance": residuals.mean_ratio(observed.numbers, expected.numbers),
        "feature change": residuals.mean_log_ratio(observed.numbers, expected.numbers),
        "smoothness": residuals.smoothness(observed, expected),
        "smoothness peak": residuals.peak(
            residuals.texture_log_ratio(observed, expected), observed.region
        ),
    }


def _network(
    reference: ReferenceStatistics, channels: tuple[int, ...], latent: int
) -> AutoencoderNetwork:
    return AutoencoderNetwork(
        framing.framed_shape(reference, STRIDE), channels=channels, latent=latent
    )


def _extractor_from_arrays(arrays: Arrays) -> nn.Module | None:
    if not any(name.startswith(EXTRACTOR) for name in arrays):
        return None
    return module_from_arrays(resnet, arrays, EXTRACTOR)
