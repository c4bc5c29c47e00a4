"""From a distance map to a few numbers, and from those to one score on a common scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Vector = NDArray[np.float64]

BRANCHES = ("peak", "focal", "regional", "overall", "quality")
QUALITY_SHRINKAGE = 0.5
SMALLEST_SPREAD = 0.5


def location_statistics(distance: torch.Tensor, region: torch.Tensor) -> list[float]:
    """Peak, mean of the highest 0.1 %, mean of the highest 1 %, and mean of a distance map."""
    values = distance[region]
    count = values.numel()
    high = torch.topk(values, max(1, count // 100)).values
    focal = high[: max(1, count // 1000)]
    return [float(high[0]), float(focal.mean()), float(high.mean()), float(values.mean())]


def quality_vector(standardized: torch.Tensor, region: torch.Tensor) -> Vector:
    """Mean and standard deviation of each standardized feature over the region, (2 f,)."""
    inside = standardized[:, region]
    vector = torch.cat([inside.mean(1), inside.std(1)])
    return np.asarray(vector.double().cpu().numpy())


def quality_distance(vector: Vector, mean: Vector, precision: NDArray[np.float64]) -> float:
    """Mahalanobis distance of one quality vector."""
    gap = vector - mean
    squared = float(gap @ precision @ gap)
    return float(np.sqrt(max(squared, 0.0) / gap.size))


def quality_model(vectors: NDArray[np.float64]) -> tuple[Vector, NDArray[np.float64]]:
    """Mean (f,) and inverse of the covariance (f, f), shrunken to its diagonal, of (n, f)."""
    covariance = np.cov(vectors.T)
    diagonal = np.diag(np.diag(covariance) + 1e-9)
    shrunk = (1 - QUALITY_SHRINKAGE) * covariance + QUALITY_SHRINKAGE * diagonal
    return vectors.mean(0), np.asarray(np.linalg.inv(shrunk), dtype=np.float64)


def spread_of(raw: NDArray[np.float64]) -> dict[str, list[float]]:
    """Median and robust standard deviation of log statistics (n, 5) of real scans.

    Small spreads are held at half the mean spread, so that no branch can rule by chance.
    """
    logs = np.log(np.maximum(raw, 1e-9))
    middle = np.median(logs, axis=0)
    spread = 1.4826 * np.median(np.abs(logs - middle), axis=0)
    spread = np.maximum(np.maximum(spread, SMALLEST_SPREAD * spread.mean()), 1e-3)
    return {"middle": middle.tolist(), "spread": spread.tolist()}


def departures(raw: Vector, facts: Mapping[str, Any]) -> Vector:
    """Each branch as robust standard deviations above the median real scan, (5,)."""
    logs = np.log(np.maximum(raw, 1e-9))
    return np.asarray((logs - np.array(facts["middle"])) / np.array(facts["spread"]))
