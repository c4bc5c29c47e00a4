"""Does the score follow the map? Insertion and deletion of cubes, against a map of chance.

What is deleted is replaced by the same scan before the fault was planted, so that a map that
outlines the fault leaves nothing to find after a few cubes. Every point of a curve is a whole
reading of the scan, so this is for a few scans only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.anomaly_parts.contestants import Panel, Part
from safegen_detectors.anomaly.methods.base import Reading
from safegen_detectors.anomaly.reference import grids
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.types import Sample
from safegen_detectors.explain.metrics import deletion, insertion
from safegen_detectors.explain.perturbation import cubic_supervoxels

SIDE = 24.0  # mm
STEPS = 8


@dataclass(frozen=True, slots=True)
class Faithful:
    """Areas of the map and of chance, 0 to 1; deletion is better low, insertion high."""

    deletion: float
    insertion: float
    deletion_by_chance: float
    insertion_by_chance: float


class ScoreOf(nn.Module):
    """Scores (n, 1) of volumes (n, 1, i, j, k) on the own grid of one view."""

    def __init__(self, view: NormalizedSample, panel: Panel, parts: Mapping[str, Part]) -> None:
        super().__init__()
        self.view, self.panel, self.parts = view, panel, parts

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """The panel's score of each volume."""
        return torch.tensor([[self._score(volume[0])] for volume in volumes])

    def _score(self, own: torch.Tensor) -> float:
        sample = replace(self.view.sample, own=own.numpy())
        view = NormalizedSample(sample, self.view.reference, expectation=self.view.expected)
        readings = {n: self.parts[n].reader.read(view) for n in self.panel.parts}
        return self.panel.score(readings)


def faithful(
    view: NormalizedSample,
    clean: Sample,
    panel: Panel,
    parts: Mapping[str, Part],
    readings: Mapping[str, Reading],
) -> Faithful | None:
    """The areas of a panel's map; None if it has no map, or the clean scan scores the same."""
    found = panel.map(readings)
    if found is None or clean.own.shape != view.sample.own.shape:
        return None
    values = found.float().numpy()
    chance = np.random.default_rng(0).permutation(values.ravel()).reshape(values.shape)
    try:
        areas = [_areas(view, clean, panel, parts, one) for one in (values, chance)]
        return Faithful(*areas[0], *areas[1])
    except ValueError:
        return None


def _areas(
    view: NormalizedSample,
    clean: Sample,
    panel: Panel,
    parts: Mapping[str, Part],
    values: NDArray[np.float32],
) -> tuple[float, float]:
    score_of = ScoreOf(view, panel, parts)
    labels = cubic_supervoxels(view.judged.numpy(), side=max(1, round(SIDE / view.sample.spacing)))
    volume, without = (grids.tensor(one.own, "cpu")[None] for one in (view.sample, clean))
    curves = (
        curve(score_of, volume, without, values, labels, steps=STEPS, batch=1)
        for curve in (deletion, insertion)
    )
    first, second = (curve.relative_area for curve in curves)
    return first, second
