"""A statistical atlas: what each feature is at each place of the template, over real scans.

The idea is PaDiM's (Defard et al. 2021): a Gaussian at each location, with a shrunken covariance.
Here the variance is per location and the correlation of features is one for the whole body.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from safegen_detectors.anomaly.features import box_mean

LOCAL_SHARE = 0.8
CORRELATION_SHRINKAGE = 0.1
PEAK_WIDTH = 3


@dataclass(frozen=True, slots=True)
class Sums:
    """Running sums of feature maps over scans: count, sum and sum of squares (f, i, j, k)."""

    count: int
    first: torch.Tensor
    second: torch.Tensor

    def plus(self, maps: torch.Tensor, *, sign: int = 1) -> Sums:
        """With one scan more, or with `sign=-1` one less."""
        return Sums(self.count + sign, self.first + sign * maps, self.second + sign * maps * maps)

    def drop(self, maps: torch.Tensor) -> Sums:
        """As if that scan had never been added."""
        return self.plus(maps, sign=-1)


@dataclass(frozen=True, slots=True)
class Atlas:
    """Mean and deviation (f, i, j, k) of features, their whitening (f, f), and where to judge."""

    mean: torch.Tensor
    deviation: torch.Tensor
    whitening: torch.Tensor
    region: torch.Tensor

    def standardized(self, maps: torch.Tensor) -> torch.Tensor:
        """How many deviations each feature is from its mean, (f, i, j, k)."""
        return (maps - self.mean) / self.deviation

    def distance(self, standardized: torch.Tensor) -> torch.Tensor:
        """Mahalanobis distance per voxel (i, j, k), 1 on average for real scans, 0 outside."""
        white = torch.einsum("fg,gijk->fijk", self.whitening, standardized)
        distance = torch.sqrt((white * white).mean(0)) * self.region
        return box_mean(distance, PEAK_WIDTH) * self.region


def empty_sums(like: torch.Tensor) -> Sums:
    """The sums of no scan."""
    zero = torch.zeros_like(like)
    return Sums(0, zero, zero)


def atlas_of(sums: Sums, region: torch.Tensor) -> Atlas:
    """The atlas of some sums, with uncorrelated features; region is bool (i, j, k)."""
    mean = sums.first / sums.count
    variance = (sums.second / sums.count - mean * mean).clamp_min(0) * sums.count / (sums.count - 1)
    local = box_mean(variance, 5)
    overall = local[:, region].mean(1)[:, None, None, None]
    deviation = torch.sqrt(LOCAL_SHARE * local + (1 - LOCAL_SHARE) * overall + 1e-8)
    identity = torch.eye(len(mean), device=mean.device)
    return Atlas(box_mean(mean, 3), deviation, identity, region)


def whitened(atlas: Atlas, correlation: torch.Tensor) -> Atlas:
    """The atlas with its features decorrelated by their mean correlation (f, f)."""
    scale = torch.sqrt(correlation.diag())
    shrunk = correlation / torch.outer(scale, scale) * (1 - CORRELATION_SHRINKAGE)
    shrunk = shrunk + CORRELATION_SHRINKAGE * torch.eye(len(shrunk), device=shrunk.device)
    root = torch.linalg.cholesky(torch.linalg.inv(shrunk)).T
    return replace(atlas, whitening=root)


def correlation_of(standardized: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """Second moments (f, f) of standardized features within the region."""
    inside = standardized[:, region]
    return inside @ inside.T / inside.shape[1]
