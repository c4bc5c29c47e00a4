"""Explanation maps of one scan: the maps asked for, each in its own unit, and their fusion.

A map is in units of the level that its highest 0.1 % reach in clean scans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from pytest_safegen.api import Heatmap, Profile, ScanTarget, Unexplained
from safegen_detectors.anomaly.explain import network_maps, shap_maps
from safegen_detectors.anomaly.explain.network_maps import NetworkScores, network_scores
from safegen_detectors.anomaly.explain.surrogate import FACTS_KEY, Surrogate, open_surrogate
from safegen_detectors.anomaly.methods.base import Reader, Reading, learned_of
from safegen_detectors.anomaly.methods.segmentation.method import SegmentationReader
from safegen_detectors.anomaly.options import DIFFUSION, EXPLANATION_LEGENDS, SEGMENTATION
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.samples import heatmap_of
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample
from safegen_detectors.explain.combine import METHODS, Weights, combine

COMBINED, SHAP = "combined", "shap"

MapOrReason = torch.Tensor | str
"""A map (i, j, k) on the own grid, or the reason why there is none."""


@dataclass(frozen=True, slots=True)
class Explainer:
    """The models that are explained, opened once: the network and the surrogate.

    `units` are those of the maps by name; `weights` fuse them, None where none were chosen;
    `denoising_path` maps a sample where a diffusion model was fitted.
    """

    segmentation: SegmentationReader
    surrogate: Surrogate | None
    units: Mapping[str, float] = field(default_factory=dict)
    weights: Weights | None = None
    denoising_path: Callable[[Sample], torch.Tensor] | None = None

    def explain(
        self,
        target: ScanTarget,
        normalized: NormalizedSample,
        reading: Reading,
        names: Sequence[str],
    ) -> list[Heatmap | Unexplained]:
        """The maps asked for, in order, as heatmaps of the scan; `reading` is the network's."""
        sample = _ExplainedSample(self, normalized, reading)
        return [_heatmap(name, sample.map(name), target) for name in dict.fromkeys(names)]

    def maps_for_weights(self, normalized: NormalizedSample) -> dict[str, torch.Tensor]:
        """The maps that are fused, in raw units, by the names of `combine.METHODS`.

        SHAP is missing where the surrogate's fidelity does not suffice.
        """
        sample = _ExplainedSample(self, normalized, self.segmentation.read(normalized))
        names = METHODS if self.trusts_surrogate else [n for n in METHODS if n != SHAP]
        return {name: sample.raw(name) for name in names}

    @property
    def trusts_surrogate(self) -> bool:
        """Whether SHAP may be shown and fused."""
        return self.surrogate is not None and self.surrogate.is_faithful


def open_explainer(
    profile: Profile,
    readers: Mapping[str, Reader],
    reference: ReferenceStatistics,
    *,
    device: str,
) -> Explainer | None:
    """The explainer of a profile whose readers are open; None without the network."""
    segmentation = readers.get(SEGMENTATION)
    if not isinstance(segmentation, SegmentationReader):
        return None
    learned = learned_of(profile, SEGMENTATION)
    facts: Mapping[str, Any] = learned.facts.get(FACTS_KEY, {})
    weights = Weights.from_json(facts["weights"]) if "weights" in facts else None
    return Explainer(
        segmentation,
        open_surrogate(learned, reference, device=device),
        facts.get("units", {}),
        weights,
        _denoising_path_of(readers),
    )


def _denoising_path_of(readers: Mapping[str, Reader]) -> Callable[[Sample], torch.Tensor] | None:
    if DIFFUSION not in readers:
        return None
    from safegen_detectors.anomaly.methods.diffusion.method import DiffusionReader  # with MONAI

    reader = readers[DIFFUSION]
    return reader.denoising_path if isinstance(reader, DiffusionReader) else None


class _ExplainedSample:
    """One sample with its reading; each map is made once."""

    def __init__(
        self, explainer: Explainer, normalized: NormalizedSample, reading: Reading
    ) -> None:
        self.explainer = explainer
        self.normalized = normalized
        self.reading = reading
        self._made: dict[str, MapOrReason] = {}

    @cached_property
    def scores(self) -> NetworkScores:
        """What the networks' maps explain."""
        return network_scores(self.normalized, self.explainer.segmentation.networks)

    @property
    def surrogate(self) -> Surrogate:
        """What SHAP explains; raises ValueError where it is missing or not faithful."""
        surrogate = self.explainer.surrogate
        if surrogate is None:
            raise ValueError("the profile holds no surrogate to explain")
        surrogate.require_fidelity()
        return surrogate

    def map(self, name: str) -> MapOrReason:
        """The map in its unit, at least 0; or why there is none."""
        if name not in self._made:
            try:
                self._made[name] = self._combined() if name == COMBINED else self._in_unit(name)
            except (ValueError, KeyError, AssertionError, UserWarning) as problem:
                self._made[name] = str(problem)
        return self._made[name]

    def raw(self, name: str) -> torch.Tensor:
        """The map as it is made, before units."""
        return _MAKERS[name](self)

    def _in_unit(self, name: str) -> torch.Tensor:
        found = self.raw(name)
        unit = float(self.explainer.units.get(name, 0.0)) or float(found.abs().max()) or 1.0
        return found.abs() / unit

    def _combined(self) -> torch.Tensor:
        weights = self.explainer.weights
        if weights is None:
            raise ValueError("the profile has no weights for it")
        own = self.raw("map") / float(self.explainer.units["map"])
        maps = {"map": own}
        for name in METHODS[1:]:
            found = self.map(name)
            maps[name] = found if isinstance(found, torch.Tensor) else torch.zeros_like(own)
        numbers = {name: value.cpu().numpy() for name, value in maps.items()}
        return torch.from_numpy(combine(numbers, weights))


def _heatmap(name: str, found: MapOrReason, target: ScanTarget) -> Heatmap | Unexplained:
    if isinstance(found, str):
        return Unexplained(name, found)
    return heatmap_of(found, target, name=name, meaning=EXPLANATION_LEGENDS[name])


def _check_map(sample: _ExplainedSample) -> torch.Tensor:
    if sample.reading.map is None:
        raise ValueError("the network gives no map")
    return sample.reading.map


def _denoising_path(sample: _ExplainedSample) -> torch.Tensor:
    if sample.explainer.denoising_path is None:
        raise ValueError("the profile has no diffusion model")
    return sample.explainer.denoising_path(sample.normalized.sample)


_MAKERS: Mapping[str, Callable[[_ExplainedSample], torch.Tensor]] = {
    "map": _check_map,
    "grad-cam": lambda sample: network_maps.grad_cam(sample.scores),
    "gradients": lambda sample: network_maps.gradients(sample.scores),
    "integrated-gradients": lambda sample: network_maps.integrated_gradients(sample.scores),
    "occlusion": lambda sample: network_maps.occlusion(sample.scores),
    "denoising-path": _denoising_path,
    SHAP: lambda sample: shap_maps.gradient_shap(sample.surrogate, sample.normalized),
    "deep-shap": lambda sample: shap_maps.deep_shap(sample.surrogate, sample.normalized),
    "partition-shap": lambda sample: shap_maps.partition_shap(sample.surrogate, sample.normalized),
}
