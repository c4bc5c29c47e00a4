"""The interface of a method, and the summaries of maps (i, j, k) that methods report.

A method learns from samples, and is opened with what it learned to read samples. It never decides:
`fusion` brings the statistics of all methods to one scale, and the gate judges the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_safegen.api import Profile
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample, arrays_below


@dataclass(frozen=True, slots=True)
class Learned:
    """What a method learned: numeric arrays, and facts that JSON can hold.

    `held_out`: the statistics of each sample, in order, as if the sample had never been seen.
    """

    arrays: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)
    held_out: Sequence[Mapping[str, float]] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a method saw in one sample.

    `statistics`: positive numbers by name, higher is worse, the names always the same for a
    method. `map`: float32 tensor (i, j, k) on the own grid, at least 0, higher is worse, 1 where
    the method would outline; None for a method without a map. `details`: the numbers behind the
    statistics, for messages.
    """

    statistics: Mapping[str, float]
    map: torch.Tensor | None = None
    details: Mapping[str, float] = field(default_factory=dict)


class Reader(Protocol):
    """A method at work: what it learned is decoded, and its networks are on the device."""

    def read(self, normalized: NormalizedSample) -> Reading:
        """Measure one sample with what was learned from others."""


@dataclass(frozen=True, slots=True)
class ReadEach:
    """A reader made of a function, for methods with nothing to build."""

    measure: Callable[[NormalizedSample], Reading]

    def read(self, normalized: NormalizedSample) -> Reading:
        """The function's reading of the sample."""
        return self.measure(normalized)


class Method(Protocol):
    """One way to detect an anomaly; holds options, never state."""

    @property
    def name(self) -> str: ...  # noqa: D102  as in `methods = [...]`

    def fit(
        self, samples: Sequence[Sample], reference: ReferenceStatistics, *, seed: int, device: str
    ) -> Learned:
        """Learn from samples of real patients."""

    def open(self, learned: Learned, reference: ReferenceStatistics, *, device: str) -> Reader:
        """Build what reading needs, once for all samples that are compared with the reference."""


def learned_of(profile: Profile, method: str) -> Learned:
    """What one method left in a profile."""
    arrays: Mapping[str, NDArray[Any]] = arrays_below(profile.arrays, method)
    return Learned(arrays, profile.facts["methods"][method])


TOP_SHARE = 0.001  # share of the voxels from which the limit of an outline is taken
LEAST_LIMIT = 1e-6


def mean_of_highest(values: torch.Tensor, region: torch.Tensor, *, share: float) -> float:
    """Mean of the highest share of the voxels in the region (bool), at least one voxel."""
    inside = values[region]
    if inside.numel() == 0:
        return 0.0
    count = max(1, int(share * inside.numel()))
    return float(torch.topk(inside, count).values.mean())


def mean_inside(values: torch.Tensor, region: torch.Tensor) -> float:
    """Mean over the region (bool); 0 where it is empty."""
    inside = values[region]
    return float(inside.mean()) if inside.numel() else 0.0


def top(values: torch.Tensor, region: torch.Tensor) -> float:
    """Mean of the voxels that an outline at the scan's own limit would hold."""
    return mean_of_highest(values, region, share=TOP_SHARE)


def limit_of(tops: Sequence[float]) -> float:
    """From where on a map outlines, above zero: the median top of real scans, held out."""
    return max(float(np.median(tops)), LEAST_LIMIT)
