"""Residuals of a reconstruction, compared with the residuals expected at each voxel.

Residuals are largest where anatomy varies most, so each voxel is compared with held-out real scans.
Too small is as abnormal as too large: reconstructions are smooth, so the fine part of the residual
is the scan's own texture, which noise increases and blur removes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from safegen_detectors.anomaly.methods.base import mean_of_highest, top
from safegen_detectors.anomaly.reference.features import box_mean
from safegen_detectors.anomaly.reference.types import Arrays

PEAK_SHARE = 0.01
FINE, COARSE = 3, 7  # voxels
LOCAL_SHARE = 0.8
FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class Residuals:
    """What a network left of one scan, or leaves of real scans on average, where it is judged.

    `residual` (i, j, k), absolute and smoothed over FINE voxels; `detail` (i, j, k), the same of
    its fine part; `numbers` (n,) positive, in the order of the method; `region` bool (i, j, k).
    All on the CPU.
    """

    residual: torch.Tensor
    detail: torch.Tensor
    numbers: torch.Tensor
    region: torch.Tensor


ResidualStatistics = Callable[[Residuals, Residuals], Mapping[str, float]]
"""The statistics of residuals, given the expected ones."""


def residuals_of(
    difference: torch.Tensor, numbers: Sequence[torch.Tensor], region: torch.Tensor
) -> Residuals:
    """The residuals of a signed difference (i, j, k) between a scan and its restoration."""
    difference = difference.float()
    residual = box_mean(difference.abs(), FINE)
    detail = box_mean((difference - box_mean(difference, FINE)).abs(), COARSE)
    vector = torch.stack([number.float().reshape(()) for number in numbers])
    return Residuals(residual.half().cpu(), detail.half().cpu(), vector.cpu(), region.cpu())


def mean_residuals(observations: Sequence[Residuals]) -> Residuals:
    """The mean residuals of some real scans."""
    residual, detail = (torch.zeros(observations[0].region.shape) for _ in range(2))
    for observed in observations:
        residual += observed.residual / len(observations)
        detail += observed.detail / len(observations)
    numbers = torch.stack([observed.numbers for observed in observations]).mean(0)
    return Residuals(residual, detail, numbers, observations[0].region)


def mean_without(expected: Residuals, observed: Residuals, count: int) -> Residuals:
    """The mean of `count` residuals without one of them; the same for a lone one."""
    if count < 2:
        return expected
    pairs = (
        (expected.residual, observed.residual),
        (expected.detail, observed.detail),
        (expected.numbers, observed.numbers),
    )
    residual, detail, numbers = (
        ((mean * count - one) / (count - 1)).clamp_min(0) for mean, one in pairs
    )
    return Residuals(residual, detail, numbers, expected.region)


def held_out(
    observations: Sequence[Residuals], statistics: ResidualStatistics
) -> list[Mapping[str, float]]:
    """The statistics of each scan's residuals against the mean of the others."""
    expected = mean_residuals(observations)
    return [
        statistics(observed, mean_without(expected, observed, len(observations)))
        for observed in observations
    ]


def residuals_to_arrays(expected: Residuals) -> Arrays:
    """Expected residuals as arrays, without the region, which the reference holds."""
    return {
        "usual/residual": expected.residual.numpy().astype(np.float16),
        "usual/detail": expected.detail.numpy().astype(np.float16),
        "usual/numbers": expected.numbers.numpy(),
    }


def residuals_from_arrays(arrays: Arrays, region: torch.Tensor) -> Residuals:
    """The expected residuals that `residuals_to_arrays` stored."""
    names = ("residual", "detail", "numbers")
    residual, detail, numbers = (torch.tensor(arrays[f"usual/{k}"]).float() for k in names)
    return Residuals(residual, detail, numbers, region)


def held_out_tops(observations: Sequence[Residuals]) -> list[float]:
    """The highest departure of each scan's residuals from the mean of the others."""
    expected, count = mean_residuals(observations), len(observations)
    return [
        top(relative_residual(one, mean_without(expected, one, count)), one.region)
        for one in observations
    ]


def relative_residual(observed: Residuals, expected: Residuals) -> torch.Tensor:
    """The residual over its expected value (i, j, k), about 1 for real scans, 0 outside."""
    return (
        observed.residual
        / _smoothed_expectation(expected.residual, expected.region)
        * observed.region
    )


def texture_log_ratio(observed: Residuals, expected: Residuals) -> torch.Tensor:
    """|log ratio| of the fine part to its expected value (i, j, k), 0 outside the region."""
    smoothed = _smoothed_expectation(expected.detail, expected.region)
    return torch.log((observed.detail.float() + FLOOR) / smoothed).abs() * observed.region


def smoothness(observed: Residuals, expected: Residuals) -> float:
    """|log ratio| of the fine part over the region to the expected one."""
    found, normal = (t.detail.float()[observed.region].mean() + FLOOR for t in (observed, expected))
    return float(torch.log(found / normal).abs())


def root_mean_square(values: torch.Tensor, region: torch.Tensor) -> float:
    """Over the region (bool, of the same shape)."""
    return float(values[region].square().mean().sqrt())


def peak(values: torch.Tensor, region: torch.Tensor) -> float:
    """Mean of the highest 1 % of the region."""
    return mean_of_highest(values, region, share=PEAK_SHARE)


def mean_ratio(numbers: torch.Tensor, expected: torch.Tensor) -> float:
    """Mean ratio of numbers (n,) to their expected values."""
    return float((numbers / expected.clamp_min(1e-8)).mean())


def mean_log_ratio(numbers: torch.Tensor, expected: torch.Tensor) -> float:
    """Mean |log ratio| of numbers (n,) to their expected values."""
    ratio = numbers.clamp_min(1e-8) / expected.clamp_min(1e-8)
    return float(torch.log(ratio).abs().mean())


def _smoothed_expectation(expected: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """An expected map, steadied by its neighbourhood and by its mean over the region."""
    overall = expected[region].mean()
    return LOCAL_SHARE * box_mean(expected, FINE) + (1 - LOCAL_SHARE) * overall + FLOOR
