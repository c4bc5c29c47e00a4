"""Estimate the reference statistics from samples of real patients, and store them in a profile.

Leave-patient-out Gaussians are held while methods are fitted, so that each real scan is compared
with other patients only, as a new scan will be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen.api import Profile
from safegen_detectors.anomaly.reference import grids
from safegen_detectors.anomaly.reference.features import MIRRORED, box_mean, feature_maps
from safegen_detectors.anomaly.reference.types import (
    Box,
    Gaussian,
    Mask,
    ReferenceStatistics,
    Sample,
    Volume,
    arrays_below,
)
from safegen_detectors.threads import side_by_side

MEAN_WIDTH, VARIANCE_WIDTH = 3, 5
PROFILE_KEY = "ground"
BODY_SHARE = 0.05
REGION_MARGIN = 3
MAX_OFFSET = 6
MIN_SYMMETRY = 0.9
GROUPS = 6  # of patients; two sums of all features each are held while the reference is made
ARRAYS = ("intensity", "body", "region")
GAUSSIAN = ("mean", "variance", "overall")


def intensity_statistics(
    samples: Sequence[Sample], bodies: Sequence[Mask], *, cropped: bool, modality: str
) -> ReferenceStatistics:
    """The reference without its Gaussian; `bodies` lie on the template's grid."""
    aligned = [sample.aligned.astype(np.float32) for sample in samples]
    intensity = np.asarray(np.mean(aligned, axis=0, dtype=np.float32), dtype=np.float32)
    body = np.asarray(np.mean(bodies, axis=0, dtype=np.float32), dtype=np.float32)
    region = _region(body)
    mirror = None if cropped else mirror_offset(intensity)
    return ReferenceStatistics(
        intensity, body, region, box_around(region), mirror, modality=modality
    )


def with_gaussian(reference: ReferenceStatistics, samples: Sequence[Sample]) -> ReferenceStatistics:
    """The statistics with mean and variance of all features at each place, and those without each
    patient.

    Patients are put into groups, and each patient's Gaussian without it leaves its whole group
    out. So a real scan is measured as a new one will be, by scans that it had no part in.

    Raises:
        ValueError: fewer than two scans.
    """
    if len(samples) < 2:
        raise ValueError("a Gaussian needs at least two scans")
    groups = _groups(samples)
    sums = side_by_side(lambda group: _sums(group, reference), groups)
    total = _total(sums)
    without: dict[str, Gaussian] = {}
    for group, own in zip(groups, sums, strict=True):
        if total.count - own.count >= 2:
            others = _gaussian(_difference(total, own), reference)
            without |= {sample.patient: others for sample in group}
    return replace(reference, gaussian=_gaussian(total, reference), without=without)


def mirror_offset(intensity: Volume) -> int | None:
    """The roll after which the flipped volume (i, j, k) lies on itself; None where it does not."""
    rolls = range(-MAX_OFFSET, MAX_OFFSET + 1)
    flipped = intensity[::-1]
    likeness = [_correlation(np.roll(flipped, roll, axis=0), intensity) for roll in rolls]
    best = int(np.argmax(likeness))
    return rolls[best] if likeness[best] >= MIN_SYMMETRY else None


def box_around(region: Mask) -> Box:
    """The smallest box of voxels that holds a region (i, j, k)."""
    i, j, k = (slice(int(n.min()), int(n.max()) + 1) for n in np.nonzero(region))
    return i, j, k


def arrays_of(reference: ReferenceStatistics) -> dict[str, NDArray[Any]]:
    """The reference's arrays, for a profile."""
    found = {
        "intensity": reference.intensity.astype(np.float16),
        "body": reference.body.astype(np.float16),
        "region": reference.region,
    }
    if reference.gaussian is not None:
        found |= {f"gaussian/{name}": getattr(reference.gaussian, name) for name in GAUSSIAN}
    return found


def facts_of(reference: ReferenceStatistics) -> dict[str, Any]:
    """What else a profile must keep of the reference."""
    count = reference.gaussian.count if reference.gaussian else 0
    return {"mirror": reference.mirror, "modality": reference.modality, "count": count}


def statistics_from_arrays(
    arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]
) -> ReferenceStatistics:
    """The reference of a profile's arrays and facts."""
    gaussian = None
    if "gaussian/mean" in arrays:
        gaussian = Gaussian(facts["count"], *(arrays[f"gaussian/{name}"] for name in GAUSSIAN))
    region = arrays["region"]
    return ReferenceStatistics(
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


def _sums(samples: Sequence[Sample], reference: ReferenceStatistics) -> _Sums:
    maps = template_features(samples[0], reference)
    first, second = maps.clone(), maps * maps
    for sample in samples[1:]:
        maps = template_features(sample, reference)
        first += maps
        second.addcmul_(maps, maps)
    return _Sums(len(samples), first, second)


def _total(sums: Sequence[_Sums]) -> _Sums:
    first, second = sums[0].first.clone(), sums[0].second.clone()
    for part in sums[1:]:
        first += part.first
        second += part.second
    return _Sums(sum(part.count for part in sums), first, second)


def _difference(total: _Sums, part: _Sums) -> _Sums:
    return _Sums(total.count - part.count, total.first - part.first, total.second - part.second)


def _gaussian(sums: _Sums, reference: ReferenceStatistics) -> Gaussian:
    mean = sums.first / sums.count
    variance = (sums.second / sums.count - mean * mean).clamp_min(0)
    local = box_mean(variance * (sums.count / (sums.count - 1)), VARIANCE_WIDTH)
    inside = torch.tensor(reference.region, dtype=torch.float32)
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


def _correlation(a: Volume, b: Volume) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) if a.std() and b.std() else 0.0


def statistics_from_profile(profile: Profile) -> ReferenceStatistics:
    """The reference in a profile."""
    return statistics_from_arrays(
        arrays_below(profile.arrays, PROFILE_KEY), profile.facts[PROFILE_KEY]
    )


def template_features(sample: Sample, reference: ReferenceStatistics) -> torch.Tensor:
    """Features (f, i, j, k) on the template's grid, computed on the sample's own grid."""
    maps = grids.onto_template(feature_maps(grids.tensor(sample.own, "cpu")), sample)
    if reference.mirror is None:
        return maps
    chosen = maps[list(MIRRORED)]
    return torch.cat([maps, chosen - grids.flipped(chosen, reference)])
