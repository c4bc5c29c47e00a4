"""The ground of all methods, from samples of real patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from safegen_detectors.anomaly.features import box_mean
from safegen_detectors.anomaly.model import Box, Gaussian, Ground, Mask, Sample, Volume
from safegen_detectors.anomaly.view import MEAN_WIDTH, VARIANCE_WIDTH, template_features
from safegen_detectors.threads import side_by_side

BODY_SHARE = 0.05
REGION_MARGIN = 3
FARTHEST_ROLL = 6
SYMMETRIC = 0.9
GROUPS = 6  # of patients; two sums of all features each are held while the ground is made

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
    """The ground with mean and variance of all features at each place, and those without a patient.

    Patients are put into groups, and each patient's Gaussian without it leaves its whole group
    out. So a real scan is measured as a new one will be, by scans that it had no part in.

    Raises:
        ValueError: fewer than two scans.
    """
    if len(samples) < 2:
        raise ValueError("a Gaussian needs at least two scans")
    groups = _groups(samples)
    sums = side_by_side(lambda group: _sums(group, ground), groups)
    total = _added(sums)
    without: dict[str, Gaussian] = {}
    for group, own in zip(groups, sums, strict=True):
        if total.count - own.count >= 2:
            others = _gaussian(_less(total, own), ground)
            without |= {sample.patient: others for sample in group}
    return replace(ground, gaussian=_gaussian(total, ground), without=without)


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


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums of features and of their squares over `count` scans, each (f, i, j, k)."""

    count: int
    first: torch.Tensor
    second: torch.Tensor


def _groups(samples: Sequence[Sample]) -> list[list[Sample]]:
    """The samples in groups of patients, no patient in two of them."""
    place = {patient: n for n, patient in enumerate(sorted({s.patient for s in samples}))}
    count = min(GROUPS, len(place))
    return [[s for s in samples if place[s.patient] % count == n] for n in range(count)]


def _sums(samples: Sequence[Sample], ground: Ground) -> _Sums:
    maps = template_features(samples[0], ground)
    first, second = maps.clone(), maps * maps
    for sample in samples[1:]:
        maps = template_features(sample, ground)
        first += maps
        second.addcmul_(maps, maps)
    return _Sums(len(samples), first, second)


def _added(sums: Sequence[_Sums]) -> _Sums:
    first, second = sums[0].first.clone(), sums[0].second.clone()
    for part in sums[1:]:
        first += part.first
        second += part.second
    return _Sums(sum(part.count for part in sums), first, second)


def _less(total: _Sums, part: _Sums) -> _Sums:
    return _Sums(total.count - part.count, total.first - part.first, total.second - part.second)


def _gaussian(sums: _Sums, ground: Ground) -> Gaussian:
    mean = sums.first / sums.count
    variance = (sums.second / sums.count - mean * mean).clamp_min(0)
    local = box_mean(variance * (sums.count / (sums.count - 1)), VARIANCE_WIDTH)
    inside = torch.tensor(ground.region, dtype=torch.float32)
    overall = (local * inside).sum((1, 2, 3)) / inside.sum()
    return Gaussian(
        sums.count,
        box_mean(mean, MEAN_WIDTH).half().numpy(),
        local.clamp(max=6e4).half().numpy(),
        overall.numpy(),
    )


def _region(body: Volume) -> Mask:
    """Where some real scans have body, and a little more, since faults may lie beside it."""
    held = body > BODY_SHARE
    grown = held if held.all() else ndimage.binary_dilation(held, iterations=REGION_MARGIN)
    return np.asarray(grown, dtype=bool)


def _likeness(a: Volume, b: Volume) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) if a.std() and b.std() else 0.0
