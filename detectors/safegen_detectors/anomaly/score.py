"""Score one prepared scan: read it with every method, fuse, and describe the worst region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_safegen.api import Measure, NotJudged, Profile, ScanTarget, Score
from safegen_detectors.anomaly import messages
from safegen_detectors.anomaly.methods.base import Method, Reading, learned_of, read_all
from safegen_detectors.anomaly.methods.fusion import joined_statistics, scales_from
from safegen_detectors.anomaly.methods.image_quality.method import most_unusual
from safegen_detectors.anomaly.methods.segmentation.fault_type import (
    descriptor,
    most_similar_fault_type,
)
from safegen_detectors.anomaly.options import QUALITY, SEGMENTATION
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.samples import heatmap_of, reject_dissimilar, sample_of
from safegen_detectors.anomaly.reference.statistics import statistics_from_profile
from safegen_detectors.explain.region import Region, describe_region, worst_region


@dataclass(frozen=True, slots=True)
class FusedReadings:
    """One sample with what every method saw in it, and how far each branch departs."""

    normalized: NormalizedSample
    readings: Mapping[str, Reading]
    branches: tuple[str, ...]
    departures: NDArray[np.float64]

    @property
    def leading(self) -> str:
        """The branch that departs most."""
        return self.branches[int(self.departures.argmax())]


def fused_readings(
    target: ScanTarget, profile: Profile, methods: Sequence[Method], *, device: str
) -> FusedReadings:
    """What the methods say of one scan.

    Raises:
        NotJudged: the scan is not prepared, is nothing like the reference, or nothing of it is
            left to judge.
    """
    normalized = NormalizedSample(sample_of(target), statistics_from_profile(profile), device)
    reject_dissimilar(target, profile)
    if not bool(normalized.judged.any()):
        raise NotJudged("the annotated pathology covers all that could be judged")
    readings = read_all(normalized, methods, profile)
    scales = scales_from(profile.facts["scales"])
    statistics = joined_statistics({name: r.statistics for name, r in readings.items()})
    return FusedReadings(normalized, readings, scales.branches, scales.departures(statistics))


def score(target: ScanTarget, profile: Profile, methods: Sequence[Method], *, device: str) -> Score:
    """The score of one scan: its largest departure, the worst region, and the map.

    Raises:
        NotJudged: as `fused_readings` does.
    """
    found = fused_readings(target, profile, methods, device=device)
    values = outline(found)
    region = None if values is None else _region(values, found, target)
    return Score(
        value=float(found.departures.max()),
        measures=_measures(found, region),
        heatmap=None if values is None else heatmap_of(values, target),
        message=_message(found, values, region, profile),
    )


def outline(found: FusedReadings) -> torch.Tensor | None:
    """The map (i, j, k) on the own grid, 1 at the limit of the outline; None without one.

    Of the method that departs most; if that knows no places, the network's, which is the sharpest.
    """
    maps = {name: r.map for name, r in found.readings.items() if r.map is not None}
    for name in (found.leading.partition(".")[0], SEGMENTATION):
        if name in maps:
            return maps[name]
    return torch.stack(list(maps.values())).mean(0) if maps else None


def _region(values: torch.Tensor, found: FusedReadings, target: ScanTarget) -> Region | None:
    """The worst region; the highest spot where nothing reaches the limit of the outline."""
    if target.own is None:
        return None
    volume = values.cpu().numpy()
    limit = min(1.0, float(volume.max()))
    return worst_region(volume, target.own.affine, found.normalized.sample.body, limit=limit)


def _measures(found: FusedReadings, region: Region | None) -> tuple[Measure, ...]:
    branches = [
        Measure(name, float(value), "tails")
        for name, value in zip(found.branches, found.departures, strict=True)
    ]
    places = []
    if region is not None:
        places = [
            Measure(f"worst_{a}", v, "mm") for a, v in zip("xyz", region.peak_mm, strict=True)
        ]
        places.append(Measure("worst_volume", region.volume_ml, "ml"))
    region_voxels = float(found.normalized.region.sum())
    left = float(found.normalized.judged.sum()) / max(region_voxels, 1.0)
    excluded = Measure(
        "excluded_share",
        1.0 - left,
        "",
        "the annotated pathology covers too much of what is judged",
    )
    return (*branches, *places, excluded)


def _message(
    found: FusedReadings, values: torch.Tensor | None, region: Region | None, profile: Profile
) -> str:
    if found.leading.startswith(QUALITY):
        whole = messages.global_message(
            most_unusual(found.readings[QUALITY].details, learned_of(profile, QUALITY))
        )
        if values is None or region is None or float(values.max()) < 1:
            return whole
        return f"{whole}; what stands out most is {describe_region(region)}"
    if values is None or region is None:
        return messages.GLOBAL_ANOMALY
    where = (values >= min(1.0, float(values.max()))) & found.normalized.judged
    if not bool(where.any()):
        return f"{messages.LOCAL_ANOMALY}, {describe_region(region)}"
    if found.normalized.reference.gaussian is None:
        return messages.local_message(describe_region(region), None, "intensity is unusual")
    feature = messages.unusual_feature(found.normalized, where)
    return messages.local_message(
        describe_region(region), _fault_type(found, where, profile), feature
    )


def _fault_type(found: FusedReadings, where: torch.Tensor, profile: Profile) -> str | None:
    """The group of faults that a place (bool, own grid) resembles."""
    if SEGMENTATION not in found.readings:
        return None
    learned = learned_of(profile, SEGMENTATION)
    arrays: dict[str, Any] = {
        name: learned.arrays[f"resemblance/{name}"]
        for name in ("weights", "offsets")
        if f"resemblance/{name}" in learned.arrays
    }
    groups = learned.facts["groups"] if arrays else []
    return most_similar_fault_type(descriptor(found.normalized, where), groups, arrays)
