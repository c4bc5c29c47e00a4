"""Learn the atlas and the scales of the scores from real scans, each judged without itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen import Fitted, NotJudged, Prepared, ScanTarget
from safegen_detectors.anomaly.atlas import (
    Atlas,
    Sums,
    atlas_of,
    correlation_of,
    empty_sums,
    whitened,
)
from safegen_detectors.anomaly.features import Box, box_around, template_features
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
SCANS_FOR_CORRELATION = 8
SCANS_FOR_SCALE = 24


@dataclass(frozen=True, slots=True)
class Learned:
    """Sums of features over the reference within a box of the template, and where to judge."""

    sums: Sums
    region: torch.Tensor
    box: Box

    def maps(self, target: ScanTarget) -> torch.Tensor:
        """The features of a scan within the box."""
        return template_features(target, self.box, device="cpu")

    def without(self, maps: torch.Tensor) -> Atlas:
        """The atlas as if the scan of these features had not been there."""
        return atlas_of(self.sums.drop(maps), self.region)


def fit(reference: Iterable[ScanTarget]) -> Fitted:
    """Atlas, quality model and score scales; a few passes, memory for a few scans."""
    learned = _learn(reference)
    atlas = _with_correlation(reference, learned)
    locations, qualities = _leave_one_out(reference, learned, atlas)
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
        "box": np.array([[part.start, part.stop] for part in learned.box]),
    }
    return Fitted(arrays, {**facts, "voxel_limit": float(np.median(locations[:, 0]))})


def _learn(reference: Iterable[ScanTarget]) -> Learned:
    region = _region(reference)
    box = box_around(region)
    sums: Sums | None = None
    for target in reference:
        maps = template_features(target, box, device="cpu")
        sums = (sums or empty_sums(maps)).plus(maps)
    if sums is None:
        raise ValueError("there is no scan to learn from")
    return Learned(sums, torch.from_numpy(region[box]), box)


def _region(reference: Iterable[ScanTarget]) -> NDArray[np.bool_]:
    """Where some real scans have body, and a little more, since faults may lie beside it."""
    shares = [_prepared(target).body for target in reference]
    body = np.mean(shares, axis=0) > BODY_SHARE
    grown = body if body.all() else ndimage.binary_dilation(body, iterations=REGION_MARGIN)
    return np.asarray(grown, dtype=bool)


def _with_correlation(reference: Iterable[ScanTarget], learned: Learned) -> Atlas:
    moments = []
    for target in islice(reference, SCANS_FOR_CORRELATION):
        maps = learned.maps(target)
        standardized = learned.without(maps).standardized(maps)
        moments.append(correlation_of(standardized, learned.region))
    return whitened(atlas_of(learned.sums, learned.region), torch.stack(moments).mean(0))


def _leave_one_out(
    reference: Iterable[ScanTarget], learned: Learned, atlas: Atlas
) -> tuple[Vectors, Vectors]:
    """Statistics (n, 4) and quality vectors (n, 2 f) of scans under an atlas without them."""
    locations, qualities = [], []
    for target in islice(reference, SCANS_FOR_SCALE):
        maps = learned.maps(target)
        own = replace(learned.without(maps), whitening=atlas.whitening)
        standardized = own.standardized(maps)
        locations.append(location_statistics(own.distance(standardized), own.region))
        qualities.append(quality_vector(standardized, own.region))
    return np.array(locations), np.array(qualities)


def _without(vectors: Vectors, index: int) -> tuple[Vectors, Vectors]:
    return quality_model(np.delete(vectors, index, axis=0))


def _prepared(target: ScanTarget) -> Prepared:
    if target.prepared is None:
        raise NotJudged(f"{target.ref.target} is not prepared")
    return target.prepared
