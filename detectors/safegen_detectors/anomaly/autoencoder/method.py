"""The autoencoder as a method of the anomaly check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torch import nn

from safegen_detectors.anomaly import framing, residuals
from safegen_detectors.anomaly.autoencoder.network import STRIDE, Network
from safegen_detectors.anomaly.autoencoder.perception import extractor_of, resnet
from safegen_detectors.anomaly.autoencoder.restorer import Restorer
from safegen_detectors.anomaly.crossfit import (
    Arrays,
    Part,
    averaged,
    cross_fit,
    members,
    outline_limit,
)
from safegen_detectors.anomaly.device import seeded
from safegen_detectors.anomaly.model import Ground, Learned, Reading, Sample
from safegen_detectors.anomaly.residuals import Trace
from safegen_detectors.anomaly.training import Budget
from safegen_detectors.anomaly.view import View
from safegen_detectors.anomaly.weights import arrays_of, with_arrays

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

    def fit(self, samples: Sequence[Sample], ground: Ground, *, seed: int, device: str) -> Learned:
        """Networks by cross-fitting, and what they usually leave at each place.

        Raises:
            UsageProblem: the weights are no .safetensors file of the right network.
            ValueError: fewer patients than folds.
        """
        extractor = None if self.weights is None else extractor_of(self.weights)
        fold = partial(self._fit_fold, extractor=extractor, ground=ground, device=device)
        learned = cross_fit(samples, fold, count=self.folds, seed=seed)
        shared = {} if extractor is None else arrays_of(extractor, EXTRACTOR)
        facts = {
            **learned.facts,
            "latent": self.latent,
            "channels": list(self.channels),
            "limit": outline_limit(learned),
        }
        return replace(learned, arrays={**learned.arrays, **shared}, facts=facts)

    def read(self, view: View, learned: Learned) -> Reading:
        """The mean over the networks; the map is 1 where the tops of half the real scans begin."""
        channels, latent = tuple(learned.facts["channels"]), learned.facts["latent"]
        build = partial(_network, view.ground, channels, latent)
        extractor = _extractor_in(learned.arrays)
        readings = []
        for arrays in members(learned):
            network = with_arrays(build, arrays, NETWORK)
            restorer = Restorer(network, view.ground, view.device, extractor)
            readings.append(_reading(restorer, arrays, view.sample, learned.facts["limit"]))
        return averaged(readings)

    def _fit_fold(
        self,
        train: Sequence[Sample],
        unseen: Sequence[Sample],
        seed: int,
        *,
        extractor: nn.Module | None,
        ground: Ground,
        device: str,
    ) -> Part:
        build = partial(_network, ground, self.channels, self.latent)
        with seeded(seed, device):
            fresh = build()
        budget = Budget(self.steps, self.batch, self.rate, self.seconds)
        steps = Restorer(fresh, ground, device).learn(train, budget, seed=seed)
        weights = arrays_of(fresh, NETWORK)
        network = with_arrays(build, weights, NETWORK)  # rounded, as others will get it
        restorer = Restorer(network, ground, device, extractor)
        traces = [restorer.trace(sample) for sample in unseen]
        arrays = {**weights, **residuals.usual_arrays(residuals.usual_of(traces))}
        facts = {"steps": steps, "tops": residuals.tops(traces)}
        return Part(arrays, residuals.held_out(traces, statistics), facts)


def statistics(trace: Trace, usual: Trace) -> Mapping[str, float]:
    """How far a trace is from the usual one, by name; higher is worse."""
    departure = residuals.departure(trace, usual)
    return {
        "reconstruction": residuals.root_mean_square(departure, trace.region),
        "reconstruction peak": residuals.peak(departure, trace.region),
        "feature distance": residuals.excess(trace.numbers, usual.numbers),
        "feature change": residuals.change(trace.numbers, usual.numbers),
        "smoothness": residuals.smoothness(trace, usual),
        "smoothness peak": residuals.peak(residuals.texture_change(trace, usual), trace.region),
    }


def _reading(restorer: Restorer, arrays: Arrays, sample: Sample, limit: float) -> Reading:
    trace = restorer.trace(sample)
    everywhere = framing.region(restorer.ground, STRIDE)
    usual = residuals.usual_from(arrays, everywhere)
    outline = residuals.departure(trace, usual) / limit
    return Reading(statistics(trace, usual), framing.whole_map(outline, sample, restorer.ground))


def _network(ground: Ground, channels: tuple[int, ...], latent: int) -> Network:
    return Network(framing.framed_shape(ground, STRIDE), channels=channels, latent=latent)


def _extractor_in(arrays: Arrays) -> nn.Module | None:
    if not any(name.startswith(EXTRACTOR) for name in arrays):
        return None
    return with_arrays(resnet, arrays, EXTRACTOR)
