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
    """What a network left of one scan, or usually leaves, where it was judged.

    `residual` (i, j, k), absolute and smoothed over FINE voxels; `detail` (i, j, k), the same of
    its fine part; `numbers` (n,) positive, in the order of the method; `region` bool (i, j, k).
    All on the CPU.
    """

    residual: torch.Tensor
    detail: torch.Tensor
    numbers: torch.Tensor
    region: torch.Tensor


ResidualStatistics = Callable[[Residuals, Residuals], Mapping[str, float]]
"""The statistics of a trace, given the usual one."""


def residuals_of(
    difference: torch.Tensor, numbers: Sequence[torch.Tensor], region: torch.Tensor
) -> Residuals:
    """The trace of a signed difference (i, j, k) between a scan and its restoration."""
    difference = difference.float()
    residual = box_mean(difference.abs(), FINE)
    detail = box_mean((difference - box_mean(difference, FINE)).abs(), COARSE)
    vector = torch.stack([number.float().reshape(()) for number in numbers])
    return Residuals(residual.half().cpu(), detail.half().cpu(), vector.cpu(), region.cpu())


def mean_residuals(traces: Sequence[Residuals]) -> Residuals:
    """The mean trace of some real scans."""
    residual, detail = (torch.zeros(traces[0].region.shape) for _ in range(2))
    for trace in traces:
        residual += trace.residual / len(traces)
        detail += trace.detail / len(traces)
    numbers = torch.stack([trace.numbers for trace in traces]).mean(0)
    return Residuals(residual, detail, numbers, traces[0].region)


def mean_without(usual: Residuals, trace: Residuals, count: int) -> Residuals:
    """What would be usual had this trace not been one of the `count`; the same for a lone one."""
    if count < 2:
        return usual
    pairs = (
        (usual.residual, trace.residual),
        (usual.detail, trace.detail),
        (usual.numbers, trace.numbers),
    )
    residual, detail, numbers = (
        ((mean * count - one) / (count - 1)).clamp_min(0) for mean, one in pairs
    )
    return Residuals(residual, detail, numbers, usual.region)


def held_out(
    traces: Sequence[Residuals], statistics: ResidualStatistics
) -> list[Mapping[str, float]]:
    """The statistics of each trace, against what is usual for the others."""
    usual = mean_residuals(traces)
    return [statistics(trace, mean_without(usual, trace, len(traces))) for trace in traces]


def residuals_to_arrays(usual: Residuals) -> Arrays:
    """A usual trace as arrays; the region is the ground's and is left out."""
    return {
        "usual/residual": usual.residual.numpy().astype(np.float16),
        "usual/detail": usual.detail.numpy().astype(np.float16),
        "usual/numbers": usual.numbers.numpy(),
    }


def residuals_from_arrays(arrays: Arrays, region: torch.Tensor) -> Residuals:
    """The usual trace of such arrays."""
    names = ("residual", "detail", "numbers")
    residual, detail, numbers = (torch.tensor(arrays[f"usual/{k}"]).float() for k in names)
    return Residuals(residual, detail, numbers, region)


def held_out_tops(traces: Sequence[Residuals]) -> list[float]:
    """The top of each trace's departure from what is usual for the others."""
    usual, count = mean_residuals(traces), len(traces)
    return [
        top(relative_residual(one, mean_without(usual, one, count)), one.region) for one in traces
    ]


def relative_residual(trace: Residuals, usual: Residuals) -> torch.Tensor:
    """The residual over its usual value (i, j, k), about 1 for real scans, 0 outside the region."""
    return trace.residual / _smoothed_expectation(usual.residual, usual.region) * trace.region


def texture_log_ratio(trace: Residuals, usual: Residuals) -> torch.Tensor:
    """|log ratio| of the fine part to its usual value (i, j, k), 0 outside the region."""
    expected = _smoothed_expectation(usual.detail, usual.region)
    return torch.log((trace.detail.float() + FLOOR) / expected).abs() * trace.region


def smoothness(trace: Residuals, usual: Residuals) -> float:
    """|log ratio| of the fine part over the region to what it usually is there."""
    found, expected = (t.detail.float()[trace.region].mean() + FLOOR for t in (trace, usual))
    return float(torch.log(found / expected).abs())


def root_mean_square(values: torch.Tensor, region: torch.Tensor) -> float:
    """Over the region (bool, of the same shape)."""
    return float(values[region].square().mean().sqrt())


def peak(values: torch.Tensor, region: torch.Tensor) -> float:
    """Mean of the highest 1 % of the region."""
    return mean_of_highest(values, region, share=PEAK_SHARE)


def mean_ratio(numbers: torch.Tensor, usual: torch.Tensor) -> float:
    """Mean ratio of numbers (n,) to their usual values."""
    return float((numbers / usual.clamp_min(1e-8)).mean())


def mean_log_ratio(numbers: torch.Tensor, usual: torch.Tensor) -> float:
    """Mean |log ratio| of numbers (n,) to their usual values."""
    ratio = numbers.clamp_min(1e-8) / usual.clamp_min(1e-8)
    return float(torch.log(ratio).abs().mean())


def _smoothed_expectation(usual: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """A usual map, steadied by its neighbourhood and by its mean over the region."""
    overall = usual[region].mean()
    return LOCAL_SHARE * box_mean(usual, FINE) + (1 - LOCAL_SHARE) * overall + FLOOR
