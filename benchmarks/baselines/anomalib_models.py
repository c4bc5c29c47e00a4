"""PaDiM and PatchCore as anomalib has them, on axial slices, upon networks that learned nothing.

Defard, Setkov, Loesch and Audigier, "PaDiM: a patch distribution modeling framework for anomaly
detection and localization", 2021; Roth et al., "Towards total recall in industrial anomaly
detection", 2022. Both are made for networks that learned from photographs. Here no weights come
from elsewhere, so that the features are those of a random network. anomalib is optional.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.baselines.common import Lesson, NetworkBaseline
from safegen_detectors.anomaly.methods.diffusion.denoiser import Frame
from safegen_detectors.anomaly.methods.training import seeded

SPACING = 2.0  # mm
BACKBONE, LAYERS = "resnet18", ["layer1", "layer2"]
CELL = 4  # pixels along each side that make one feature vector of the first layer
THICKNESS = 2  # voxels that are averaged to one slice
BAND = 2  # slices that share the Gaussians of PaDiM; their number is a multiple, see STRIDE
FEATURES = 16  # of PaDiM; each Gaussian is from BAND slices of each patient
DRAWN, KEPT = 20_000, 2_000  # vectors that PatchCore's memory is chosen from, and that it holds
SCANS_FOR_NORMS = 4


def padim() -> NetworkBaseline:
    """A Gaussian of features at each place; the map is the Mahalanobis distance."""
    return NetworkBaseline("padim", _padim, _learn_padim, _look_padim, steps=0, spacing=SPACING)


def patchcore() -> NetworkBaseline:
    """One memory of features of all slices; the map is the distance to the nearest of them."""
    return NetworkBaseline(
        "patchcore", _patchcore, _learn_patchcore, _look_patchcore, steps=0, spacing=SPACING
    )


def slices_of(x: torch.Tensor) -> torch.Tensor:
    """A volume (1, 1, i, j, k) as axial slices in three equal channels (n, 3, i, j)."""
    thick = functional.avg_pool3d(x, (1, 1, THICKNESS))
    return thick[0].permute(3, 0, 1, 2).repeat(1, 3, 1, 1)


def volume_of(maps: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The maps (n, 1, i, j) of slices as a volume (i, j, k)."""
    thick = maps.permute(1, 2, 3, 0)[None]
    return functional.interpolate(thick, size=like.shape[2:], mode="trilinear")[0, 0]


def cells_of(region: torch.Tensor) -> torch.Tensor:
    """bool (n, i, j): the feature vectors of slices that touch a region (i, j, k)."""
    thick = functional.max_pool3d(region.float()[None], (CELL, CELL, THICKNESS))
    return thick[0].permute(2, 0, 1) > 0


def stacked(slices: torch.Tensor) -> torch.Tensor:
    """Slices (n, f, i, j) as BAND tall ones (BAND, f, n / BAND * i, j), a Gaussian for each row.

    anomalib's Gaussian is of places of one image; so a band is a place along the first side.
    """
    return slices.unflatten(0, (-1, BAND)).permute(1, 2, 0, 3, 4).flatten(2, 3).contiguous()


def unstacked(tall: torch.Tensor, count: int) -> torch.Tensor:
    """What `stacked` made, as `count` slices again."""
    bands = count // BAND
    return tall.unflatten(2, (bands, -1)).permute(2, 0, 1, 3, 4).flatten(0, 1)


def _padim() -> nn.Module:
    from anomalib.models.image.padim.torch_model import PadimModel  # takes long to import

    return _random(PadimModel(BACKBONE, LAYERS, pre_trained=False, n_features=FEATURES))


def _patchcore() -> nn.Module:
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel  # takes long to import

    return _random(PatchcoreModel(LAYERS, BACKBONE, pre_trained=False, num_neighbors=1))


def _random(model: nn.Module) -> nn.Module:
    """Each block does something, which timm prevents at the start, and norms follow one batch."""
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
            part.momentum = 1.0
    return model


@torch.no_grad()
def _learn_padim(model: Any, lesson: Lesson) -> None:
    _set_norms(model, lesson)
    stacks = [
        stacked(_embedding(model, slices_of(lesson.frame.volume(sample))))
        for sample in lesson.samples
    ]
    model.gaussian.fit(torch.cat(stacks))


def _look_padim(model: Any, x: torch.Tensor, frame: Frame) -> torch.Tensor:  # noqa: ARG001
    slices, maps = slices_of(x), model.anomaly_map_generator
    stack = stacked(_embedding(model, slices))
    statistics = [model.gaussian.mean, model.gaussian.inv_covariance]
    cells = unstacked(maps.compute_distance(stack, statistics), len(slices))
    found = maps.smooth_anomaly_map(maps.up_sample(cells, slices.shape[-2:]))
    return volume_of(found, x)


@torch.no_grad()
def _learn_patchcore(model: Any, lesson: Lesson) -> None:
    from anomalib.models.components import KCenterGreedy

    _set_norms(model, lesson)
    random = torch.Generator().manual_seed(lesson.seed)
    inside = cells_of(lesson.frame.region()).flatten().nonzero()[:, 0]
    each = -(-DRAWN // len(lesson.samples))
    drawn = []
    for sample in lesson.samples:
        vectors = model.train()(slices_of(lesson.frame.volume(sample)))
        chosen = inside[torch.randperm(len(inside), generator=random)[:each]]
        drawn.append(vectors[chosen.to(vectors.device)])
        model.embedding_store.clear()  # would keep all vectors of all scans
    pool = torch.cat(drawn)
    coreset = KCenterGreedy(pool, min(1.0, KEPT / len(pool)))
    coreset.model.random_state = np.random.RandomState(lesson.seed)  # else numpy's global one
    with seeded(lesson.seed, lesson.frame.device):
        model.memory_bank = coreset.sample_coreset()


def _look_patchcore(model: Any, x: torch.Tensor, frame: Frame) -> torch.Tensor:  # noqa: ARG001
    return volume_of(model.eval()(slices_of(x)).anomaly_map, x)


def _set_norms(model: Any, lesson: Lesson) -> None:
    """Bring the features at each layer to unit variance over slices of some patients.

    The norms of a fresh network change nothing, and its features are then so small that the
    0.01 which anomalib adds to PaDiM's variances would outweigh them.
    """
    few = lesson.samples[:SCANS_FOR_NORMS]
    slices = torch.cat([slices_of(lesson.frame.volume(sample)) for sample in few])
    network = model.to(lesson.frame.device).feature_extractor.feature_extractor
    network.train()(slices)
    model.eval()


def _embedding(model: Any, slices: torch.Tensor) -> torch.Tensor:
    """PaDiM's features (n, f, i, j) of slices."""
    found: torch.Tensor = model.generate_embedding(model.feature_extractor(slices))
    return found
