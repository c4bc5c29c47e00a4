"""The diffusion model as a method of the anomaly check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch

from safegen_detectors.anomaly import residuals
from safegen_detectors.anomaly.crossfit import Part, averaged, cross_fit, members, outline_limit
from safegen_detectors.anomaly.device import seeded
from safegen_detectors.anomaly.diffusion.denoiser import Denoiser, Frame, Look, scale_of
from safegen_detectors.anomaly.diffusion.network import levels_down, network
from safegen_detectors.anomaly.diffusion.sizes import Size, SizeName, pooling, size_for, size_of
from safegen_detectors.anomaly.model import Ground, Learned, Reading, Sample
from safegen_detectors.anomaly.residuals import Trace
from safegen_detectors.anomaly.training import Budget
from safegen_detectors.anomaly.view import View
from safegen_detectors.anomaly.weights import arrays_of, with_arrays

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

    def fit(self, samples: Sequence[Sample], ground: Ground, *, seed: int, device: str) -> Learned:
        """Networks by cross-fitting, and what they usually change at each place.

        Raises:
            ValueError: fewer patients than folds.
        """
        size = size_for(self.size, device)
        facts = {
            "size": asdict(size),
            "restore": levels_down(self.level or size.level, self.restore_steps or size.restore),
            "predict": list(self.likelihood_levels),
            "draws": self.draws,
            "seed": seed,
        }
        fold = partial(self._fit_fold, facts=facts, ground=ground, device=device)
        learned = cross_fit(samples, fold, count=self.folds, seed=seed)
        return replace(learned, facts={**facts, **learned.facts, "limit": outline_limit(learned)})

    def read(self, view: View, learned: Learned) -> Reading:
        """The mean over the networks; the map is 1 where the tops of half the real scans begin."""
        readings = []
        for denoiser, arrays in zip(denoisers(view, learned), members(learned), strict=True):
            trace = denoiser.trace(view.sample, _look(learned.facts))
            usual = residuals.usual_from(arrays, denoiser.frame.region().cpu())
            outline = residuals.departure(trace, usual) / learned.facts["limit"]
            found = denoiser.frame.on_own(outline, view.sample)
            readings.append(Reading(statistics(trace, usual), found))
        return averaged(readings)

    def _fit_fold(
        self,
        train: Sequence[Sample],
        unseen: Sequence[Sample],
        seed: int,
        *,
        facts: Mapping[str, Any],
        ground: Ground,
        device: str,
    ) -> Part:
        size = size_of(facts["size"])
        plain = _frame(size, train[0], ground, device, 1.0)
        frame = replace(plain, scale=scale_of(train, plain))
        with seeded(seed, device):
            fresh = network(size)
        budget = Budget(self.steps or size.steps, self.batch or size.batch, self.rate, self.seconds)
        highest = max(*facts["restore"], *facts["predict"])
        steps = Denoiser(fresh, frame).learn(train, budget, highest=highest, seed=seed)
        weights = arrays_of(fresh, NETWORK)
        # Rounded, as others will get it.
        denoiser = Denoiser(with_arrays(partial(network, size), weights, NETWORK), frame)
        traces = [denoiser.trace(sample, _look(facts)) for sample in unseen]
        arrays = {**weights, **residuals.usual_arrays(residuals.usual_of(traces))}
        found = {"steps": steps, "scale": frame.scale, "tops": residuals.tops(traces)}
        return Part(arrays, residuals.held_out(traces, statistics), found)


def denoisers(view: View, learned: Learned) -> Iterator[Denoiser]:
    """The network of each fold, in the frame of a view."""
    size = size_of(learned.facts["size"])
    for arrays, facts in zip(members(learned), learned.facts["folds"], strict=True):
        frame = _frame(size, view.sample, view.ground, view.device, facts["scale"])
        yield Denoiser(with_arrays(partial(network, size), arrays, NETWORK), frame)


def denoising_path(view: View, learned: Learned) -> torch.Tensor:
    """How wrong the networks are at each voxel (i, j, k) of the own grid on the way from noise."""
    look = _look(learned.facts)
    return torch.stack(
        [
            one.frame.on_own(one.path(view.sample, look), view.sample)
            for one in denoisers(view, learned)
        ]
    ).mean(0)


def statistics(trace: Trace, usual: Trace) -> Mapping[str, float]:
    """How far a trace is from the usual one, by name; higher is worse."""
    departure = residuals.departure(trace, usual)
    return {
        "denoising": residuals.root_mean_square(departure, trace.region),
        "denoising peak": residuals.peak(departure, trace.region),
        "likelihood": residuals.excess(trace.numbers, usual.numbers),
        "likelihood change": residuals.change(trace.numbers, usual.numbers),
        "smoothness": residuals.smoothness(trace, usual),
    }


def _frame(size: Size, sample: Sample, ground: Ground, device: str, scale: float) -> Frame:
    return Frame(ground, pooling(size, sample), size.stride, device, scale)


def _look(facts: Mapping[str, Any]) -> Look:
    return Look(facts["restore"], facts["predict"], facts["draws"], facts["seed"])
