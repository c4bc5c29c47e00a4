"""Explanation maps of one scan, on the scan's own grid.

Grad-CAM, gradients and occlusion explain the network that outlines faults. SHAP explains a light
surrogate that predicts the network's score from the prepared scan, since no exact method exists for
the network. Each map has its own unit: 1 is the level of the highest 0.1 % of clean scans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from pytest_safegen.api import Heatmap, Profile, ScanTarget, Score, Unexplained
from safegen_detectors.anomaly.methods.base import Learned, learned_of
from safegen_detectors.anomaly.methods.segmentation.method import ArtefactSegmentation, networks_of
from safegen_detectors.anomaly.methods.segmentation.network import (
    SegmentationNet,
    inputs_of,
    padded_to_stride,
)
from safegen_detectors.anomaly.options import DIFFUSION, EXPLANATION_LEGENDS, SEGMENTATION
from safegen_detectors.anomaly.reference import grids
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.samples import heatmap_of, sample_of
from safegen_detectors.anomaly.reference.statistics import statistics_from_profile
from safegen_detectors.anomaly.reference.types import Sample, arrays_below
from safegen_detectors.explain import surrogate as predictor
from safegen_detectors.explain.combine import Weights, combine
from safegen_detectors.explain.maps import (
    grad_cam,
    gradient_times_change,
    integrated_gradients,
    occlusion,
)
from safegen_detectors.explain.perturbation import cubic_supervoxels
from safegen_detectors.explain.shapley import deep_shap, gradient_shap, partition_shap_map

HIGHEST = 0.001  # share of the voxels whose mean logit is the score that is explained
POOLED = 2
SAMPLES = 20
CUBE, EVALUATIONS = 4, 400
OCCLUDED, STEP = 16, 12
PATH_STEPS = 8
SURROGATE = "explain/predictor"


@dataclass(frozen=True, slots=True)
class ExplanationInputs:
    """One sample, and all that its explanations are made from."""

    normalized: NormalizedSample
    learned: Learned
    diffusion: Learned | None = None


class MeanHighestLogit(nn.Module):
    """Inputs of the network (n, c, i, j, k) to the mean of its highest logits, (n, 1)."""

    def __init__(self, network: SegmentationNet, judged: torch.Tensor) -> None:
        super().__init__()
        self.network = network
        self.judged = judged

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:  # noqa: D102  described above
        logits = self.network(inputs)[:, self.judged]
        count = max(1, int(HIGHEST * logits.shape[1]))
        return torch.topk(logits, count, dim=1).values.mean(1, keepdim=True)


def explain(
    target: ScanTarget,
    profile: Profile,
    score: Score,  # noqa: ARG001  part of the contract; the maps explain whatever the score is
    names: Sequence[str],
    *,
    device: str,
) -> list[Heatmap | Unexplained]:
    """The maps asked for, in order; what cannot be made says why."""
    explained = ExplanationInputs(
        NormalizedSample(sample_of(target), statistics_from_profile(profile), device),
        learned_of(profile, SEGMENTATION),
        learned_of(profile, DIFFUSION) if DIFFUSION in profile.facts["methods"] else None,
    )
    made: dict[str, torch.Tensor | str] = {}
    for name in names:
        made[name] = _map_or_reason(name, explained, made)
    return [_heatmap(name, found, target) for name, found in made.items()]


def maps_for_weights(normalized: NormalizedSample, learned: Learned) -> dict[str, torch.Tensor]:
    """The check's map, Grad-CAM and SHAP of one sample, by the names of `combine.METHODS`."""
    explained = ExplanationInputs(normalized, learned)
    return {
        "map": _check_map(explained),
        "grad-cam": _grad_cam(explained),
        "shap": _shap(explained),
    }


def surrogate_input(sample: Sample) -> torch.Tensor:
    """What the light predictor sees of a sample: (1, i, j, k), the pooled aligned scan."""
    return predictor.pooled(grids.tensor(sample.aligned, "cpu"), factor=POOLED)


def _map_or_reason(
    name: str, explained: ExplanationInputs, made: Mapping[str, torch.Tensor | str]
) -> torch.Tensor | str:
    """The map, in its unit; or why there is none."""
    if name == "combined":
        return _combined(explained, made)
    try:
        found = _MAKERS[name](explained)
    except (ValueError, KeyError, AssertionError, UserWarning) as problem:
        return str(problem)
    units = explained.learned.facts.get("explained", {}).get("units", {})
    unit = float(units.get(name, 0.0)) or float(found.abs().max()) or 1.0
    return found.abs() / unit


def _combined(
    explained: ExplanationInputs, made: Mapping[str, torch.Tensor | str]
) -> torch.Tensor | str:
    facts = explained.learned.facts.get("explained", {})
    if "weights" not in facts:
        return "the profile has no weights for it"
    maps = {"map": _check_map(explained) / float(facts["units"]["map"])}
    for name in ("grad-cam", "shap"):
        found = made.get(name)
        maps[name] = found if isinstance(found, torch.Tensor) else _map_or_zeros(name, explained)
    numbers = {name: value.cpu().numpy() for name, value in maps.items()}
    return torch.from_numpy(combine(numbers, Weights.from_json(facts["weights"])))


def _map_or_zeros(name: str, explained: ExplanationInputs) -> torch.Tensor:
    found = _map_or_reason(name, explained, {})
    return (
        found if isinstance(found, torch.Tensor) else torch.zeros_like(explained.normalized.voxels)
    )


def _heatmap(name: str, found: torch.Tensor | str, target: ScanTarget) -> Heatmap | Unexplained:
    if isinstance(found, str):
        return Unexplained(name, found)
    return heatmap_of(found, target, name=name, meaning=EXPLANATION_LEGENDS[name])


def _check_map(explained: ExplanationInputs) -> torch.Tensor:
    found = ArtefactSegmentation().read(explained.normalized, explained.learned).map
    if found is None:
        raise ValueError("the network gives no map")
    return found


def _score_modules(
    explained: ExplanationInputs,
) -> tuple[list[MeanHighestLogit], torch.Tensor, torch.Tensor]:
    """One module a network, its inputs (c, i, j, k), and what they usually are."""
    normalized = explained.normalized
    inputs = padded_to_stride(inputs_of(normalized))
    baseline = inputs.clone()
    features = len(normalized.relative)
    baseline[:features] = 0
    baseline[features] = padded_to_stride(normalized.expected.mean[0][None])[0]
    judged = padded_to_stride(normalized.judged[None].float())[0] > 0
    beyond = [slice(n, None) for n in normalized.judged.shape]
    judged[beyond[0]] = False
    judged[:, beyond[1]] = False
    judged[:, :, beyond[2]] = False
    modules = [
        MeanHighestLogit(n, judged) for n in networks_of(explained.learned, normalized.device)
    ]
    return modules, inputs, baseline


def _trimmed(maps: Sequence[torch.Tensor], normalized: NormalizedSample) -> torch.Tensor:
    i, j, k = normalized.judged.shape
    return torch.stack(list(maps)).mean(0)[:i, :j, :k] * normalized.judged


def _grad_cam(explained: ExplanationInputs) -> torch.Tensor:
    modules, inputs, _ = _score_modules(explained)
    found = [grad_cam(m, inputs, m.network.finest) for m in modules]
    return _trimmed(found, explained.normalized)


def _gradients(explained: ExplanationInputs) -> torch.Tensor:
    modules, inputs, baseline = _score_modules(explained)
    found = [gradient_times_change(m, inputs, baseline).abs() for m in modules]
    return _trimmed(found, explained.normalized)


def _integrated_gradients(explained: ExplanationInputs) -> torch.Tensor:
    modules, inputs, baseline = _score_modules(explained)
    found = [
        integrated_gradients(m, inputs, baseline, steps=PATH_STEPS, batch=1).abs() for m in modules
    ]
    return _trimmed(found, explained.normalized)


def _occlusion(explained: ExplanationInputs) -> torch.Tensor:
    modules, inputs, baseline = _score_modules(explained)
    body = modules[0].judged
    found = [
        occlusion(m, inputs, baseline, side=OCCLUDED, step=STEP, batch=1, body=body)
        for m in modules[:1]
    ]
    return _trimmed(found, explained.normalized).clamp_min(0)


def _surrogate(explained: ExplanationInputs) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """The light predictor, what it sees of the sample, and of the mean scan (1, 1, i, j, k)."""
    arrays = arrays_below(explained.learned.arrays, SURROGATE)
    if not arrays:
        raise ValueError("the profile has no light predictor to explain")
    module = predictor.from_arrays(arrays, device=explained.normalized.device)
    baseline = predictor.pooled(
        grids.tensor(explained.normalized.reference.intensity, "cpu"), factor=POOLED
    )
    volume = surrogate_input(explained.normalized.sample).to(explained.normalized.device)
    return module, volume, baseline[None].to(explained.normalized.device)


def _shap(explained: ExplanationInputs) -> torch.Tensor:
    module, volume, baseline = _surrogate(explained)
    found = gradient_shap(module, volume, baseline, samples=SAMPLES, seed=0)
    return _from_pooled(found, explained)


def _deep_shap(explained: ExplanationInputs) -> torch.Tensor:
    return _from_pooled(deep_shap(*_surrogate(explained)), explained)


def _partition_shap(explained: ExplanationInputs) -> torch.Tensor:
    module, volume, baseline = _surrogate(explained)
    body = predictor.pooled(
        grids.tensor(explained.normalized.reference.body, "cpu"), factor=POOLED
    )[0]
    labels = cubic_supervoxels((body > 0.5).numpy(), side=CUBE)
    found = partition_shap_map(module, volume, baseline[0], labels, evaluations=EVALUATIONS, seed=0)
    return _from_pooled(found, explained)


def _denoising_path(explained: ExplanationInputs) -> torch.Tensor:
    if explained.diffusion is None:
        raise ValueError("the profile has no diffusion model")
    from safegen_detectors.anomaly.methods.diffusion.method import (
        denoising_path,  # and with it MONAI
    )

    return denoising_path(explained.normalized, explained.diffusion)


def _from_pooled(found: torch.Tensor, explained: ExplanationInputs) -> torch.Tensor:
    """A map on the pooled template's grid, on the sample's own grid."""
    normalized = explained.normalized
    shrink = torch.diag(torch.tensor([1 / POOLED] * 3 + [1.0], dtype=torch.float64))
    shrink[:3, 3] = (1 - POOLED) / (2 * POOLED)
    matrix = shrink.numpy() @ normalized.sample.to_template
    moved = grids.pull(found.abs()[None].to(normalized.device), matrix, normalized.judged.shape)[0]
    return moved * normalized.judged


_MAKERS: Mapping[str, Callable[[ExplanationInputs], torch.Tensor]] = {
    "grad-cam": _grad_cam,
    "gradients": _gradients,
    "integrated-gradients": _integrated_gradients,
    "occlusion": _occlusion,
    "denoising-path": _denoising_path,
    "shap": _shap,
    "deep-shap": _deep_shap,
    "partition-shap": _partition_shap,
}
