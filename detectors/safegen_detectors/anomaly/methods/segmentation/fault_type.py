"""The type of synthetic fault that a region resembles most, by linear discriminant analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from safegen_detectors.anomaly.reference.normalized import NormalizedSample

Vector = NDArray[np.float64]

SHRINKAGE = 0.3
CLIPPED = 10.0
MIN_EXAMPLES = 4  # of a group, to know it


@dataclass(frozen=True, slots=True)
class FaultExample:
    """One planted fault: the group of its family, and its descriptor (2 f,)."""

    group: str
    descriptor: Vector


def descriptor(normalized: NormalizedSample, where: torch.Tensor) -> Vector:
    """Mean and standard deviation of each standardized feature over a place (bool), (2 f,)."""
    inside = normalized.relative[:, where.to(normalized.device)].clamp(-CLIPPED, CLIPPED)
    if inside.shape[1] == 0:
        return np.zeros(2 * len(inside))
    spread = inside.std(1, correction=0)
    return np.asarray(torch.cat([inside.mean(1), spread]).double().cpu().numpy())


@dataclass(frozen=True, slots=True)
class FaultTypes:
    """The linear discriminant (Fisher 1936) of groups: weights (g, 2 f) and offsets (g,)."""

    groups: Sequence[str]
    weights: NDArray[Any]
    offsets: NDArray[Any]

    def most_similar(self, vector: Vector) -> str | None:
        """The group that a descriptor resembles most; None where no group is known."""
        if not self.groups:
            return None
        return self.groups[int(np.argmax(self.weights @ vector + self.offsets))]


def fit_fault_types(examples: Sequence[FaultExample]) -> FaultTypes:
    """The discriminant of all groups with enough examples."""
    names = [example.group for example in examples]
    groups = sorted(name for name in set(names) if names.count(name) >= MIN_EXAMPLES)
    if not groups:
        return FaultTypes([], np.empty((0, 0)), np.empty(0))
    rows = [np.array([e.descriptor for e in examples if e.group == group]) for group in groups]
    means = np.array([part.mean(0) for part in rows])
    centred = np.concatenate([part - mean for part, mean in zip(rows, means, strict=True)])
    covariance = centred.T @ centred / max(len(centred) - len(groups), 1)
    level = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
    inverse = np.linalg.inv((1 - SHRINKAGE) * covariance + SHRINKAGE * level + 1e-6 * level)
    weights = means @ inverse
    offsets = -0.5 * np.einsum("gf,gf->g", weights, means)
    return FaultTypes(groups, weights, offsets)
