"""Train the network on crops and on hard negatives, and measure its overlap with the truth.

Hard negatives are crops of untouched scans around the highest logits of a network that is still
learning. A few of the half million voxels of a real scan always look abnormal, and they decide how
strong a fault must be to stand out; training on them as untouched removes that (bootstrapping of
Sung and Poggio 1998; Shrivastava et al., CVPR 2016).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from safegen_detectors.anomaly.methods.segmentation.network import (
    STRIDE,
    SegmentationNet,
    logits_of,
)
from safegen_detectors.anomaly.methods.segmentation.synthetic_faults import CorruptedSample
from safegen_detectors.anomaly.methods.segmentation.training_samples import (
    CROP,
    Batch,
    Crop,
    TrainingSamples,
    UntouchedScan,
    batch_of,
    dequantized,
)
from safegen_detectors.anomaly.methods.training import (
    Budget,
    channels_last,
    random_indices,
    seeded,
    to_device,
    train,
)

WEIGHT_OF_FAULTS = 2.0
SHARE_OF_OVERLAP = 0.5
SHARE_OF_PEAKS = 0.3
FEWEST_VOXELS = 20  # below, the overlap is meaningless
VOXELS_OF_PEAK = 64
HARD_NEGATIVES_START = 1 / 3  # of the steps
LIMITS = tuple(float(n) for n in np.arange(-3, 3.01, 0.25))


def train_network(
    training_set: TrainingSamples, budget: Budget, *, seed: int, device: str
) -> tuple[SegmentationNet, int]:
    """A network, and the steps it was trained for: one cycle, then another with hard negatives."""
    with seeded(seed, device):
        network = to_device(SegmentationNet(training_set.crops[0].inputs.shape[0]), device)
    first = int(HARD_NEGATIVES_START * budget.steps)
    done = _train_cycle(network, training_set.crops, replace(budget, steps=first), seed, device)
    random = torch.Generator().manual_seed(seed)
    negatives = hard_negatives(network, training_set.untouched, random=random, device=device)
    rest = replace(budget, steps=budget.steps - first)
    done += _train_cycle(network, [*training_set.crops, *negatives], rest, seed + 1, device)
    return network.eval(), done


def _train_cycle(
    network: SegmentationNet, crops: Sequence[Crop], budget: Budget, seed: int, device: str
) -> int:
    def loss(size: int, random: torch.Generator) -> torch.Tensor:
        chosen = [crops[index] for index in random_indices(len(crops), size, random)]
        batch = batch_of(chosen, random).to(device)
        return training_loss(network(channels_last(batch.inputs)), batch)

    return train(network, loss, budget, seed=seed, device=device, shortest=CROP // STRIDE)


def training_loss(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The outline's loss, and the peaks' by which whole scans are separated."""
    outline = outline_loss(logits, batch.truth, batch.region)
    return outline + SHARE_OF_PEAKS * peak_loss(logits, batch.truth, batch.region)


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


def peak_loss(logits: torch.Tensor, truth: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each crop's mean highest logit: is there a fault? All (n, i, j, k).

    Crops with only a few voxels of a fault are excluded.
    """
    inside = logits.float().masked_fill(~region, -20.0).flatten(1)
    peaks = inside.topk(min(VOXELS_OF_PEAK, inside.shape[1]), dim=1).values.mean(1)
    faulty = (truth & region).flatten(1).sum(1)
    decided = (faulty > FEWEST_VOXELS) | ~truth.flatten(1).any(1)
    each = functional.binary_cross_entropy_with_logits(
        peaks, (faulty > FEWEST_VOXELS).float(), reduction="none"
    )
    return (each * decided).sum() / decided.sum().clamp_min(1)


def overlaps_at_limits(logits: torch.Tensor, corrupted: CorruptedSample) -> NDArray[np.float64]:
    """Intersection over union of outline and truth at each of LIMITS, (25,)."""
    truth = torch.tensor(corrupted.truth, device=logits.device) & corrupted.normalized.judged
    found = [(logits > limit) & corrupted.normalized.judged for limit in LIMITS]
    return np.array([float((f & truth).sum() / (f | truth).sum().clamp_min(1)) for f in found])


PEAKS_PER_SCAN = 3  # a scan
PEAK_DISTANCE = 8  # voxels between peaks, and the farthest that a crop lies off its peak
MASKED_LOGIT = -1e3


def hard_negatives(
    network: SegmentationNet,
    scans: Sequence[UntouchedScan],
    *,
    random: torch.Generator,
    device: str,
) -> list[Crop]:
    """Crops about the highest logits of each untouched scan."""
    network.eval()
    return [crop for scan in scans for crop in _around_peaks(network, scan, random, device)]


def _around_peaks(
    network: SegmentationNet, scan: UntouchedScan, random: torch.Generator, device: str
) -> Iterator[Crop]:
    logits = logits_of(network, dequantized(scan.inputs).to(device)).cpu()
    logits = logits.masked_fill(~scan.region, MASKED_LOGIT)
    for _ in range(PEAKS_PER_SCAN):
        peak = np.array(np.unravel_index(int(logits.argmax()), logits.shape), dtype=np.int64)
        off = torch.randint(-PEAK_DISTANCE, PEAK_DISTANCE, (3,), generator=random).numpy()
        yield scan.crop(peak + off)
        low = np.maximum(peak - PEAK_DISTANCE, 0)
        logits[
            tuple(slice(int(a), int(b)) for a, b in zip(low, peak + PEAK_DISTANCE + 1, strict=True))
        ] = MASKED_LOGIT
