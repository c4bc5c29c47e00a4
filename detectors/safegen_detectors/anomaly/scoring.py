"""Score one prepared scan: read it by every method, fuse, and say what is wrong where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_safegen.api import Measure, NotJudged, Profile, ScanTarget, Score
from safegen_detectors.anomaly import words
from safegen_detectors.anomaly.fusion import scales_from
from safegen_detectors.anomaly.image_quality.method import most_unusual
from safegen_detectors.anomaly.layers import heatmap_of
from safegen_detectors.anomaly.methods import QUALITY, SEGMENTATION
from safegen_detectors.anomaly.model import Method, Reading
from safegen_detectors.anomaly.reading import ground_of, joined_statistics, learned_of, read
from safegen_detectors.anomaly.reference import refuse_unlike
from safegen_detectors.anomaly.samples import sample_of
from safegen_detectors.anomaly.segmentation.resemblance import descriptor, resembles
from safegen_detectors.anomaly.view import View
from safegen_detectors.explain.region import Region, describe_region, worst_region


@dataclass(frozen=True, slots=True)
class Judged:
    """One sample with what every method saw in it, and how far each branch departs."""

    view: View
    readings: Mapping[str, Reading]
    branches: tuple[str, ...]
    departures: NDArray[np.float64]

    @property
    def leading(self) -> str:
        """The branch that departs most."""
        return self.branches[int(self.departures.argmax())]


def judged(
    target: ScanTarget, profile: Profile, methods: Sequence[Method], *, device: str
) -> Judged:
    """What the methods say of one scan.

    Raises:
        NotJudged: the scan is not prepared, is nothing like the reference, or nothing of it is
            left to judge.
    """
    view = View(sample_of(target), ground_of(profile), device)
    refuse_unlike(target, profile)
    if not bool(view.judged.any()):
        raise NotJudged("the stated pathology covers all that could be judged")
    readings = read(view, methods, profile)
    scales = scales_from(profile.facts["scales"])
    statistics = joined_statistics({name: r.statistics for name, r in readings.items()})
    return Judged(view, readings, scales.branches, scales.departures(statistics))


def score(target: ScanTarget, profile: Profile, methods: Sequence[Method], *, device: str) -> Score:
    """The score of one scan: its largest departure, the worst region, and the map.

    Raises:
        NotJudged: as `judged` does.
    """
    found = judged(target, profile, methods, device=device)
    values = outline(found)
    region = None if values is None else _region(values, found, target)
    return Score(
        value=float(found.departures.max()),
        measures=_measures(found, region),
        heatmap=None if values is None else heatmap_of(values, target),
        says=_says(found, values, region, profile),
    )


def outline(found: Judged) -> torch.Tensor | None:
    """The map (i, j, k) on the own grid, 1 at the limit of the outline; None without one.

    Of the method that departs most; if that knows no places, the network's, which is the sharpest.
    """
    maps = {name: r.map for name, r in found.readings.items() if r.map is not None}
    for name in (found.leading.partition(".")[0], SEGMENTATION):
        if name in maps:
            return maps[name]
    return torch.stack(list(maps.values())).mean(0) if maps else None


def _region(values: torch.Tensor, found: Judged, target: ScanTarget) -> Region | None:
    """The worst region; the highest spot where nothing reaches the limit of the outline."""
    if target.own is None:
        return None
    volume = values.cpu().numpy()
    limit = min(1.0, float(volume.max()))
    return worst_region(volume, target.own.affine, found.view.sample.body, limit=limit)


def _measures(found: Judged, region: Region | None) -> tuple[Measure, ...]:
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
    region_voxels = float(found.view.region.sum())
    left = float(found.view.judged.sum()) / max(region_voxels, 1.0)
    excluded = Measure(
        "excluded_share",
        1.0 - left,
        "",
        "the stated pathology covers too much of what is judged",
    )
    return (*branches, *places, excluded)


def _says(
    found: Judged, values: torch.Tensor | None, region: Region | None, profile: Profile
) -> str:
    if found.leading.startswith(QUALITY):
        whole = words.whole_clause(
            most_unusual(found.readings[QUALITY].details, learned_of(profile, QUALITY))
        )
        if values is None or region is None or float(values.max()) < 1:
            return whole
        return f"{whole}; what stands out most is {describe_region(region)}"
    if values is None or region is None:
        return words.WHOLE
    where = (values >= min(1.0, float(values.max()))) & found.view.judged
    if not bool(where.any()):
        return f"{words.LOCAL}, {describe_region(region)}"
    if found.view.ground.gaussian is None:
        return words.local_clause(describe_region(region), None, "intensity is unusual")
    feature = words.unusual_feature(found.view, where)
    return words.local_clause(describe_region(region), _kind(found, where, profile), feature)


def _kind(found: Judged, where: torch.Tensor, profile: Profile) -> str | None:
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
    return resembles(descriptor(found.view, where), groups, arrays)
