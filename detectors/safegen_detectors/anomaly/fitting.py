"""Learn the atlas and the scales of the scores from real scans, each judged without itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen import Fitted, ScanTarget
from safegen_detectors.anomaly.atlas import (
    Atlas,
    Sums,
    atlas_of,
    correlation_of,
    empty_sums,
    whitened,
)
from safegen_detectors.anomaly.features import feature_maps
from safegen_detectors.anomaly.statistics import (
    location_statistics,
    quality_distance,
    quality_model,
    quality_vector,
    spread_of,
)

Vectors = NDArray[np.float64]

BODY_SHARE = 0.05
REGION_MARGIN = 3
SCANS_FOR_CORRELATION = 12


@dataclass(frozen=True, slots=True)
class Learned:
    """What one pass over the reference gives: sums of features, and where to judge."""

    sums: Sums
    region: torch.Tensor


def fit(reference: Iterable[ScanTarget]) -> Fitted:
    """Atlas, quality model and score scales; three passes, memory for a few scans."""
    learned = _first_pass(reference)
    atlas = _with_correlation(reference, learned)
    locations, qualities, peaks = _leave_one_out(reference, learned, atlas)
    mean, precision = quality_model(qualities)
    own = [quality_distance(vector, *_without(qualities, n)) for n, vector in enumerate(qualities)]
    facts = spread_of(np.column_stack([locations, own]))
    arrays = {
        "mean": atlas.mean.half().numpy(),
        "deviation": atlas.deviation.half().numpy(),
        "whitening": atlas.whitening.numpy(),
        "region": atlas.region.numpy(),
        "quality_mean": mean,
        "quality_precision": precision,
    }
    return Fitted(arrays, {**facts, "voxel_limit": float(np.median(peaks))})


def _first_pass(reference: Iterable[ScanTarget]) -> Learned:
    sums: Sums | None = None
    bodies = np.zeros(1)
    for target in reference:
        maps = _maps(target)
        sums = (sums or empty_sums(maps)).plus(maps)
        bodies = bodies + (target.prepared.body if target.prepared else 0)
    if sums is None:
        raise ValueError("there is no scan to learn from")
    body = bodies / sums.count > BODY_SHARE
    region = body if body.all() else ndimage.binary_dilation(body, iterations=REGION_MARGIN)
    return Learned(sums, torch.from_numpy(region))


def _with_correlation(reference: Iterable[ScanTarget], learned: Learned) -> Atlas:
    plain = atlas_of(learned.sums, learned.region)
    moments = []
    for _, target in zip(range(SCANS_FOR_CORRELATION), reference, strict=False):
        maps = _maps(target)
        own = atlas_of(learned.sums.drop(maps), learned.region)
        moments.append(correlation_of(own.standardized(maps), learned.region))
    return whitened(plain, torch.stack(moments).mean(0))


def _leave_one_out(
    reference: Iterable[ScanTarget], learned: Learned, atlas: Atlas
) -> tuple[Vectors, Vectors, list[float]]:
    """Statistics (n, 4), quality vectors (n, 2 f) and peaks of scans that the atlas never saw."""
    locations, qualities = [], []
    for target in reference:
        maps = _maps(target)
        own = atlas_of(learned.sums.drop(maps), learned.region)
        own = Atlas(own.mean, own.deviation, atlas.whitening, own.region)
        standardized = own.standardized(maps)
        locations.append(location_statistics(own.distance(standardized), own.region))
        qualities.append(quality_vector(standardized, own.region))
    return np.array(locations), np.array(qualities), [row[0] for row in locations]


def _without(vectors: Vectors, index: int) -> tuple[Vectors, Vectors]:
    return quality_model(np.delete(vectors, index, axis=0))


def _maps(target: ScanTarget) -> torch.Tensor:
    if target.prepared is None:
        raise ValueError(f"{target.ref.target} is not prepared")
    return feature_maps(target.prepared.voxels, device="cpu")
