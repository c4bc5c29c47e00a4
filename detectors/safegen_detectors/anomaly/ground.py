"""The ground of all methods, from samples of real patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from safegen_detectors.anomaly.features import box_mean
from safegen_detectors.anomaly.model import Box, Gaussian, Ground, Mask, Sample, Volume
from safegen_detectors.anomaly.view import MEAN_WIDTH, VARIANCE_WIDTH, template_features

BODY_SHARE = 0.05
REGION_MARGIN = 3
FARTHEST_ROLL = 6
SYMMETRIC = 0.9

ARRAYS = ("intensity", "body", "region")
GAUSSIAN = ("mean", "variance", "overall")


def ground_of(
    samples: Sequence[Sample], bodies: Sequence[Mask], *, cropped: bool, modality: str
) -> Ground:
    """The ground without its Gaussian; `bodies` lie on the template's grid."""
    aligned = [sample.aligned.astype(np.float32) for sample in samples]
    intensity = np.asarray(np.mean(aligned, axis=0, dtype=np.float32), dtype=np.float32)
    body = np.asarray(np.mean(bodies, axis=0, dtype=np.float32), dtype=np.float32)
    region = _region(body)
    mirror = None if cropped else mirror_of(intensity)
    return Ground(intensity, body, region, box_around(region), mirror, modality=modality)


def with_gaussian(ground: Ground, samples: Sequence[Sample]) -> Ground:
    """The ground with mean and variance of all features at each place."""
    count = len(samples)
    first: torch.Tensor | None = None
    second: torch.Tensor | None = None
    for sample in samples:
        maps = template_features(sample, ground)
        first = maps.clone() if first is None else first.add_(maps)
        second = maps * maps if second is None else second.addcmul_(maps, maps)
    if first is None or second is None or count < 2:
        raise ValueError("a Gaussian needs at least two scans")
    mean = first / count
    variance = (second / count - mean * mean).clamp_min(0) * count / (count - 1)
    local = box_mean(variance, VARIANCE_WIDTH)
    inside = torch.tensor(ground.region, dtype=torch.float32)
    overall = (local * inside).sum((1, 2, 3)) / inside.sum()
    gaussian = Gaussian(
        count,
        box_mean(mean, MEAN_WIDTH).half().numpy(),
        local.clamp(max=6e4).half().numpy(),
        overall.numpy(),
    )
    return replace(ground, gaussian=gaussian)


def mirror_of(intensity: Volume) -> int | None:
    """The roll after which the flipped volume (i, j, k) lies on itself; None where it does not."""
    rolls = range(-FARTHEST_ROLL, FARTHEST_ROLL + 1)
    flipped = intensity[::-1]
    likeness = [_likeness(np.roll(flipped, roll, axis=0), intensity) for roll in rolls]
    best = int(np.argmax(likeness))
    return rolls[best] if likeness[best] >= SYMMETRIC else None


def box_around(region: Mask) -> Box:
    """The smallest box of voxels that holds a region (i, j, k)."""
    i, j, k = (slice(int(n.min()), int(n.max()) + 1) for n in np.nonzero(region))
    return i, j, k


def arrays_of(ground: Ground) -> dict[str, NDArray[Any]]:
    """The ground's arrays, for a profile."""
    found = {
        "intensity": ground.intensity.astype(np.float16),
        "body": ground.body.astype(np.float16),
        "region": ground.region,
    }
    if ground.gaussian is not None:
        found |= {f"gaussian/{name}": getattr(ground.gaussian, name) for name in GAUSSIAN}
    return found


def facts_of(ground: Ground) -> dict[str, Any]:
    """What else a profile must keep of the ground."""
    count = ground.gaussian.count if ground.gaussian else 0
    return {"mirror": ground.mirror, "modality": ground.modality, "count": count}


def ground_from(arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> Ground:
    """The ground of a profile's arrays and facts."""
    gaussian = None
    if "gaussian/mean" in arrays:
        gaussian = Gaussian(facts["count"], *(arrays[f"gaussian/{name}"] for name in GAUSSIAN))
    region = arrays["region"]
    return Ground(
        arrays["intensity"].astype(np.float32),
        arrays["body"].astype(np.float32),
        region,
        box_around(region),
        facts["mirror"],
        gaussian,
        facts["modality"],
    )


def _region(body: Volume) -> Mask:
    """Where some real scans have body, and a little more, since faults may lie beside it."""
    held = body > BODY_SHARE
    grown = held if held.all() else ndimage.binary_dilation(held, iterations=REGION_MARGIN)
    return np.asarray(grown, dtype=bool)


def _likeness(a: Volume, b: Volume) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) if a.std() and b.std() else 0.0
