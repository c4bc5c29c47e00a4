"""Score one prepared scan: read it with every method, fuse, and describe the worst region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_safegen.api import Measure, NotJudged, ScanTarget, Score
from safegen_detectors.anomaly import messages
from safegen_detectors.anomaly.methods.base import Reading
from safegen_detectors.anomaly.methods.fusion import joined_statistics
from safegen_detectors.anomaly.methods.segmentation.fault_type import descriptor
from safegen_detectors.anomaly.methods.segmentation.method import SegmentationReader
from safegen_detectors.anomaly.model import AnomalyModel
from safegen_detectors.anomaly.options import QUALITY, SEGMENTATION
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.samples import heatmap_of, reject_dissimilar, sample_of
from safegen_detectors.explain.region import Region, worst_region


@dataclass(frozen=True, slots=True)
class FusedReadings:
    """One sample with the reading of every method, and how far each branch departs."""

    normalized: NormalizedSample
    readings: Mapping[str, Reading]
    branches: tuple[str, ...]
    departures: NDArray[np.float64]

    @property
    def leading(self) -> str:
        """The branch that departs most."""
        return self.branches[int(self.departures.argmax())]


def fused_readings(target: ScanTarget, model: AnomalyModel) -> FusedReadings:
    """The readings of one scan on a common scale.

    Raises:
        NotJudged: the scan is not prepared, is nothing like the reference, or nothing of it is
            left to judge.
    """
    normalized = model.normalized(sample_of(target))
    reject_dissimilar(target, model.similarity)
    if not bool(normalized.judged.any()):
        raise NotJudged(
            "the annotated pathology covers everything that could be judged",
            headline="Nothing to judge outside the annotated pathology",
        )
    readings = model.read(normalized)
    statistics = joined_statistics({name: r.statistics for name, r in readings.items()})
    departures = model.scales.departures(statistics)
    return FusedReadings(normalized, readings, model.scales.branches, departures)


def score_of(target: ScanTarget, fused: FusedReadings, model: AnomalyModel) -> Score:
    """The score of a scan: its largest departure, the worst region, and the map."""
    values = outline(fused)
    region = None if values is None else _region(values, fused, target)
    headline, message = _headline_and_message(fused, values, region, model)
    return Score(
        value=float(fused.departures.max()),
        measures=_measures(fused, region),
        heatmap=None if values is None else heatmap_of(values, target),
        message=message,
        headline=headline,
    )


def outline(fused: FusedReadings) -> torch.Tensor | None:
    """The map (i, j, k) on the own grid, 1 at the limit of the outline; None without one.

    Of the method that departs most; if that has no map, the network's, which is the sharpest.
    """
    maps = {name: r.map for name, r in fused.readings.items() if r.map is not None}
    for name in (fused.leading.partition(".")[0], SEGMENTATION):
        if name in maps:
            return maps[name]
    return torch.stack(list(maps.values())).mean(0) if maps else None


def _region(values: torch.Tensor, fused: FusedReadings, target: ScanTarget) -> Region | None:
    """The worst region; the highest spot where nothing reaches the limit of the outline."""
    if target.own is None:
        return None
    volume = values.cpu().numpy()
    limit = min(1.0, float(volume.max()))
    return worst_region(volume, target.own.affine, fused.normalized.sample.body, limit=limit)


def _measures(fused: FusedReadings, region: Region | None) -> tuple[Measure, ...]:
    branches = [
        Measure(name, float(value), "tail units")
        for name, value in zip(fused.branches, fused.departures, strict=True)
    ]
    places = []
    if region is not None:
        places = [
            Measure(f"worst_{a}", v, "mm") for a, v in zip("xyz", region.peak_mm, strict=True)
        ]
        places.append(Measure("worst_volume", region.volume_ml, "ml"))
    region_voxels = float(fused.normalized.region.sum())
    left = float(fused.normalized.judged.sum()) / max(region_voxels, 1.0)
    excluded = Measure(
        "excluded_share",
        1.0 - left,
        "",
        "the annotated pathology covers too much of the region that is judged",
        "Annotated pathology covers too much of the scan",
    )
    return (*branches, *places, excluded)


def _headline_and_message(
    fused: FusedReadings, values: torch.Tensor | None, region: Region | None, model: AnomalyModel
) -> tuple[str, str]:
    if fused.leading.startswith(QUALITY):
        deviations = fused.readings[QUALITY].details
        outlined = values is not None and float(values.max()) >= 1
        worst = region if outlined else None
        return messages.global_headline(deviations), messages.global_message(deviations, worst)
    if values is None or region is None:
        return messages.local_headline(None, None), f"the scan is {messages.UNLIKE_REAL_SCANS}"
    where = (values >= min(1.0, float(values.max()))) & fused.normalized.judged
    if not bool(where.any()) or fused.normalized.reference.gaussian is None:
        return messages.local_headline(region, None), messages.local_message(region, None, "")
    group = _fault_type(fused.normalized, where, model)
    feature = messages.unusual_feature(fused.normalized, where)
    return (
        messages.local_headline(region, group),
        messages.local_message(region, group, feature),
    )


def _fault_type(
    normalized: NormalizedSample, where: torch.Tensor, model: AnomalyModel
) -> str | None:
    """The group of faults that a place (bool, own grid) resembles."""
    reader = model.readers.get(SEGMENTATION)
    if not isinstance(reader, SegmentationReader):
        return None
    return reader.fault_types.most_similar(descriptor(normalized, where))
