"""Train the network on crops, and choose from which logit on it outlines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from safegen_detectors.anomaly.device import channels_last, placed, seeded
from safegen_detectors.anomaly.segmentation.network import STRIDE, SegmentationNet
from safegen_detectors.anomaly.segmentation.pool import CROP, Crop, Spoiled
from safegen_detectors.anomaly.training import Budget, draw, train

WEIGHT_OF_FAULTS = 2.0
SHARE_OF_OVERLAP = 0.5
FEWEST_VOXELS = 20  # below, the overlap says nothing
LIMITS = tuple(float(n) for n in np.arange(-3, 3.01, 0.25))


def trained(
    crops: Sequence[Crop], budget: Budget, *, seed: int, device: str
) -> tuple[SegmentationNet, int]:
    """A network, and the steps it was trained for."""
    with seeded(seed, device):
        network = placed(SegmentationNet(crops[0].inputs.shape[0]), device)

    def loss(size: int, random: torch.Generator) -> torch.Tensor:
        chosen = [crops[index] for index in draw(len(crops), size, random)]
        inputs = torch.stack([crop.floats() for crop in chosen]).to(device)
        truth = torch.stack([crop.truth for crop in chosen]).to(device)
        region = torch.stack([crop.region for crop in chosen]).to(device)
        return outline_loss(network(channels_last(inputs)), truth, region)

    steps = train(network, loss, budget, seed=seed, device=device, shortest=CROP // STRIDE)
    return network.eval(), steps


def outline_loss(logits: torch.Tensor, truth: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """Cross-entropy plus soft Dice (Milletari et al. 2016) within the region; all (n, i, j, k)."""
    target, inside = truth.float(), region.float()
    weight = torch.tensor(WEIGHT_OF_FAULTS, device=logits.device)
    each = functional.binary_cross_entropy_with_logits(
        logits.float(), target, reduction="none", pos_weight=weight
    )
    entropy = (each * inside).sum() / inside.sum().clamp_min(1)
    found = (torch.sigmoid(logits.float()) * inside).flatten(1)
    wanted = (target * inside).flatten(1)
    overlap = (2 * (found * wanted).sum(1) + 1) / (found.sum(1) + wanted.sum(1) + 1)
    has = (wanted.sum(1) > FEWEST_VOXELS).float()
    return entropy + SHARE_OF_OVERLAP * ((1 - overlap) * has).sum() / has.sum().clamp_min(1)


def overlaps(logits: torch.Tensor, spoiled: Spoiled) -> NDArray[np.float64]:
    """Intersection over union of outline and truth at each of LIMITS, (25,)."""
    truth = torch.tensor(spoiled.truth, device=logits.device) & spoiled.view.judged
    found = [(logits > limit) & spoiled.view.judged for limit in LIMITS]
    return np.array([float((f & truth).sum() / (f | truth).sum().clamp_min(1)) for f in found])
