"""Maps of the network that outlines faults: Grad-CAM, gradients and occlusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from safegen_detectors.anomaly.methods.segmentation.network import (
    SegmentationNet,
    inputs_of,
    padded_to_stride,
)
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.explain import maps

HIGHEST = 0.001  # share of the voxels whose mean logit is the score that is explained
OCCLUDED, STEP = 16, 12  # voxels
PATH_STEPS = 8


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


@dataclass(frozen=True, slots=True)
class NetworkScores:
    """What is explained of one sample: a module for each network, with input and baseline.

    `inputs` and `baseline` (c, i, j, k), padded; `judged` bool (i, j, k), as the sample.
    """

    modules: Sequence[MeanHighestLogit]
    inputs: torch.Tensor
    baseline: torch.Tensor
    judged: torch.Tensor

    def mean_map(self, maps_of_networks: Sequence[torch.Tensor]) -> torch.Tensor:
        """The mean of padded maps, on the sample's own grid."""
        i, j, k = self.judged.shape
        return torch.stack(list(maps_of_networks)).mean(0)[:i, :j, :k] * self.judged


def network_scores(
    normalized: NormalizedSample, networks: Sequence[SegmentationNet]
) -> NetworkScores:
    """The networks' scores of a sample, against the features expected of a real scan."""
    inputs = padded_to_stride(inputs_of(normalized))
    baseline = inputs.clone()
    features = len(normalized.relative)
    baseline[:features] = 0
    baseline[features] = padded_to_stride(normalized.expected.mean[0][None])[0]
    judged = padded_to_stride(normalized.judged[None].float())[0] > 0
    i, j, k = normalized.judged.shape
    judged[i:] = False
    judged[:, j:] = False
    judged[:, :, k:] = False
    modules = [MeanHighestLogit(network, judged) for network in networks]
    return NetworkScores(modules, inputs, baseline, normalized.judged)


def grad_cam(scores: NetworkScores) -> torch.Tensor:
    """Where the networks' coarse features raise the score."""
    found = [maps.grad_cam(m, scores.inputs, m.network.finest) for m in scores.modules]
    return scores.mean_map(found)


def gradients(scores: NetworkScores) -> torch.Tensor:
    """The gradient of the score by each input, times its departure from the baseline."""
    found = [
        maps.gradient_times_change(m, scores.inputs, scores.baseline).abs() for m in scores.modules
    ]
    return scores.mean_map(found)


def integrated_gradients(scores: NetworkScores) -> torch.Tensor:
    """Each voxel's share of the rise of the score from the baseline to the sample."""
    found = [
        maps.integrated_gradients(
            m, scores.inputs, scores.baseline, steps=PATH_STEPS, batch=1
        ).abs()
        for m in scores.modules
    ]
    return scores.mean_map(found)


def occlusion(scores: NetworkScores) -> torch.Tensor:
    """How much the score of the first network falls where cubes are replaced by the baseline."""
    body = scores.modules[0].judged
    found = [
        maps.occlusion(
            m, scores.inputs, scores.baseline, side=OCCLUDED, step=STEP, batch=1, body=body
        )
        for m in scores.modules[:1]
    ]
    return scores.mean_map(found).clamp_min(0)
