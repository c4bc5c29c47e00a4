"""Why a scan scored so: maps beside the heatmap, each on the scan's own grid.

Grad-CAM, gradients and occlusion look into the network that outlines faults. SHAP explains a
light network that foretells its score from the prepared scan, since no exact rule exists for the
large one. Each map is in its own unit: 1 is what the highest 0.1 % of clean scans show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from pytest_safegen.api import Heatmap, Profile, ScanTarget, Score, Unexplained
from safegen_detectors.anomaly import grids
from safegen_detectors.anomaly.crossfit import under
from safegen_detectors.anomaly.explanations import MEANINGS
from safegen_detectors.anomaly.layers import heatmap_of
from safegen_detectors.anomaly.methods import DIFFUSION, SEGMENTATION
from safegen_detectors.anomaly.model import Learned, Sample
from safegen_detectors.anomaly.reading import ground_of, learned_of
from safegen_detectors.anomaly.samples import sample_of
from safegen_detectors.anomaly.segmentation.method import ArtefactSegmentation, networks_of
from safegen_detectors.anomaly.segmentation.network import SegmentationNet, inputs_of, padded
from safegen_detectors.anomaly.view import View
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
POINTS_ON_THE_WAY = 8
PREDICTOR = "explain/predictor"


@dataclass(frozen=True, slots=True)
class Explained:
    """One sample, and all that its explanations are made from."""

    view: View
    learned: Learned
    diffusion: Learned | None = None


class LogitOfHighest(nn.Module):
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
    explained = Explained(
        View(sample_of(target), ground_of(profile), device),
        learned_of(profile, SEGMENTATION),
        learned_of(profile, DIFFUSION) if DIFFUSION in profile.facts["methods"] else None,
    )
    made: dict[str, torch.Tensor | str] = {}
    for name in names:
        made[name] = _tried(name, explained, made)
    return [_as_layer(name, found, target) for name, found in made.items()]


def maps_for_weights(view: View, learned: Learned) -> dict[str, torch.Tensor]:
    """The check's map, Grad-CAM and SHAP of one sample, by the names of `combine.METHODS`."""
    explained = Explained(view, learned)
    return {
        "map": _own(explained),
        "grad-cam": _grad_cam(explained),
        "shap": _shap(explained),
    }


def foretold(sample: Sample) -> torch.Tensor:
    """What the light predictor sees of a sample: (1, i, j, k), the pooled aligned scan."""
    return predictor.pooled(grids.tensor(sample.aligned, "cpu"), factor=POOLED)


def _tried(
    name: str, explained: Explained, made: Mapping[str, torch.Tensor | str]
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


def _combined(explained: Explained, made: Mapping[str, torch.Tensor | str]) -> torch.Tensor | str:
    facts = explained.learned.facts.get("explained", {})
    if "weights" not in facts:
        return "the profile has no weights for it"
    maps = {"map": _own(explained) / float(facts["units"]["map"])}
    for name in ("grad-cam", "shap"):
        found = made.get(name)
        maps[name] = found if isinstance(found, torch.Tensor) else _unit(name, explained)
    numbers = {name: value.cpu().numpy() for name, value in maps.items()}
    return torch.from_numpy(combine(numbers, Weights.from_json(facts["weights"])))


def _unit(name: str, explained: Explained) -> torch.Tensor:
    found = _tried(name, explained, {})
    return found if isinstance(found, torch.Tensor) else torch.zeros_like(explained.view.voxels)


def _as_layer(name: str, found: torch.Tensor | str, target: ScanTarget) -> Heatmap | Unexplained:
    if isinstance(found, str):
        return Unexplained(name, found)
    return heatmap_of(found, target, name=name, meaning=MEANINGS[name])


def _own(explained: Explained) -> torch.Tensor:
    found = ArtefactSegmentation().read(explained.view, explained.learned).map
    if found is None:
        raise ValueError("the network gives no map")
    return found


def _scores(explained: Explained) -> tuple[list[LogitOfHighest], torch.Tensor, torch.Tensor]:
    """One module a network, its inputs (c, i, j, k), and what they usually are."""
    view = explained.view
    inputs = padded(inputs_of(view))
    usual = inputs.clone()
    features = len(view.relative)
    usual[:features] = 0
    usual[features] = padded(view.expected.mean[0][None])[0]
    judged = padded(view.judged[None].float())[0] > 0
    beyond = [slice(n, None) for n in view.judged.shape]
    judged[beyond[0]] = False
    judged[:, beyond[1]] = False
    judged[:, :, beyond[2]] = False
    modules = [LogitOfHighest(n, judged) for n in networks_of(explained.learned, view.device)]
    return modules, inputs, usual


def _trimmed(maps: Sequence[torch.Tensor], view: View) -> torch.Tensor:
    i, j, k = view.judged.shape
    return torch.stack(list(maps)).mean(0)[:i, :j, :k] * view.judged


def _grad_cam(explained: Explained) -> torch.Tensor:
    modules, inputs, _ = _scores(explained)
    found = [grad_cam(m, inputs, m.network.finest) for m in modules]
    return _trimmed(found, explained.view)


def _gradients(explained: Explained) -> torch.Tensor:
    modules, inputs, usual = _scores(explained)
    found = [gradient_times_change(m, inputs, usual).abs() for m in modules]
    return _trimmed(found, explained.view)


def _integrated_gradients(explained: Explained) -> torch.Tensor:
    modules, inputs, usual = _scores(explained)
    found = [
        integrated_gradients(m, inputs, usual, steps=POINTS_ON_THE_WAY, batch=1).abs()
        for m in modules
    ]
    return _trimmed(found, explained.view)


def _occlusion(explained: Explained) -> torch.Tensor:
    modules, inputs, usual = _scores(explained)
    body = modules[0].judged
    found = [
        occlusion(m, inputs, usual, side=OCCLUDED, step=STEP, batch=1, body=body)
        for m in modules[:1]
    ]
    return _trimmed(found, explained.view).clamp_min(0)


def _foreteller(explained: Explained) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """The light predictor, what it sees of the sample, and of the mean scan (1, 1, i, j, k)."""
    arrays = under(explained.learned.arrays, PREDICTOR)
    if not arrays:
        raise ValueError("the profile has no light predictor to explain")
    module = predictor.from_arrays(arrays, device=explained.view.device)
    usual = predictor.pooled(grids.tensor(explained.view.ground.intensity, "cpu"), factor=POOLED)
    volume = foretold(explained.view.sample).to(explained.view.device)
    return module, volume, usual[None].to(explained.view.device)


def _shap(explained: Explained) -> torch.Tensor:
    module, volume, usual = _foreteller(explained)
    found = gradient_shap(module, volume, usual, samples=SAMPLES, seed=0)
    return _from_pooled(found, explained)


def _deep_shap(explained: Explained) -> torch.Tensor:
    return _from_pooled(deep_shap(*_foreteller(explained)), explained)


def _partition_shap(explained: Explained) -> torch.Tensor:
    module, volume, usual = _foreteller(explained)
    body = predictor.pooled(grids.tensor(explained.view.ground.body, "cpu"), factor=POOLED)[0]
    labels = cubic_supervoxels((body > 0.5).numpy(), side=CUBE)
    found = partition_shap_map(module, volume, usual[0], labels, evaluations=EVALUATIONS, seed=0)
    return _from_pooled(found, explained)


def _denoising_path(explained: Explained) -> torch.Tensor:
    if explained.diffusion is None:
        raise ValueError("the profile has no diffusion model")
    from safegen_detectors.anomaly.diffusion.method import denoising_path  # and with it MONAI

    return denoising_path(explained.view, explained.diffusion)


def _from_pooled(found: torch.Tensor, explained: Explained) -> torch.Tensor:
    """A map on the pooled template's grid, on the sample's own grid."""
    view = explained.view
    shrink = torch.diag(torch.tensor([1 / POOLED] * 3 + [1.0], dtype=torch.float64))
    shrink[:3, 3] = (1 - POOLED) / (2 * POOLED)
    matrix = shrink.numpy() @ view.sample.to_template
    moved = grids.pull(found.abs()[None].to(view.device), matrix, view.judged.shape)[0]
    return moved * view.judged


_MAKERS: Mapping[str, Callable[[Explained], torch.Tensor]] = {
    "grad-cam": _grad_cam,
    "gradients": _gradients,
    "integrated-gradients": _integrated_gradients,
    "occlusion": _occlusion,
    "denoising-path": _denoising_path,
    "shap": _shap,
    "deep-shap": _deep_shap,
    "partition-shap": _partition_shap,
}
