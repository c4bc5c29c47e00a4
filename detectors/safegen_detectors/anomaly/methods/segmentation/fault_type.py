"""The type of synthetic fault that a region resembles most, by linear discriminant analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def fit_fault_types(examples: Sequence[FaultExample]) -> tuple[list[str], dict[str, NDArray[Any]]]:
    """The groups, and the linear discriminant (Fisher 1936): weights (g, 2 f) and offsets (g,)."""
    names = [example.group for example in examples]
    groups = sorted(name for name in set(names) if names.count(name) >= MIN_EXAMPLES)
    if not groups:
        return [], {}
    rows = [np.array([e.descriptor for e in examples if e.group == group]) for group in groups]
    means = np.array([part.mean(0) for part in rows])
    apart = np.concatenate([part - mean for part, mean in zip(rows, means, strict=True)])
    covariance = apart.T @ apart / max(len(apart) - len(groups), 1)
    level = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
    inverse = np.linalg.inv((1 - SHRINKAGE) * covariance + SHRINKAGE * level + 1e-6 * level)
    weights = means @ inverse
    offsets = -0.5 * np.einsum("gf,gf->g", weights, means)
    return groups, {"weights": weights, "offsets": offsets}


def most_similar_fault_type(
    found: Vector, groups: Sequence[str], arrays: Mapping[str, NDArray[Any]]
) -> str | None:
    """The group that a descriptor resembles most; None where no group is known."""
    if not groups:
        return None
    scores = arrays["weights"] @ found + arrays["offsets"]
    return groups[int(np.argmax(scores))]
