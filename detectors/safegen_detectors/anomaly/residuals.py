"""What a network could not restore of a scan, measured against what is usual at each place.

Residuals are largest where anatomy varies most, so each place is compared with held-out real
scans. Too little is as wrong as too much: restorations are smooth, so the fine part of the
residual is the scan's own texture, which noise adds to and blur takes away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from safegen_detectors.anomaly.crossfit import Arrays
from safegen_detectors.anomaly.features import box_mean
from safegen_detectors.anomaly.maps import highest, top

PEAK_SHARE = 0.01
FINE, COARSE = 3, 7  # voxels
LOCAL_SHARE = 0.8
FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class Trace:
    """What a network left of one scan, or usually leaves, where it was judged.

    `residual` (i, j, k), absolute and smoothed over FINE voxels; `detail` (i, j, k), the same of
    its fine part; `numbers` (n,) positive, in the order of the method; `region` bool (i, j, k).
    All on the CPU.
    """

    residual: torch.Tensor
    detail: torch.Tensor
    numbers: torch.Tensor
    region: torch.Tensor


Statistics = Callable[[Trace, Trace], Mapping[str, float]]
"""The statistics of a trace, given the usual one."""


def trace_of(
    difference: torch.Tensor, numbers: Sequence[torch.Tensor], region: torch.Tensor
) -> Trace:
    """The trace of a signed difference (i, j, k) between a scan and its restoration."""
    difference = difference.float()
    residual = box_mean(difference.abs(), FINE)
    detail = box_mean((difference - box_mean(difference, FINE)).abs(), COARSE)
    vector = torch.stack([number.float().reshape(()) for number in numbers])
    return Trace(residual.half().cpu(), detail.half().cpu(), vector.cpu(), region.cpu())


def usual_of(traces: Sequence[Trace]) -> Trace:
    """The mean trace of some real scans."""
    residual, detail = (torch.zeros(traces[0].region.shape) for _ in range(2))
    for trace in traces:
        residual += trace.residual / len(traces)
        detail += trace.detail / len(traces)
    numbers = torch.stack([trace.numbers for trace in traces]).mean(0)
    return Trace(residual, detail, numbers, traces[0].region)


def without(usual: Trace, trace: Trace, count: int) -> Trace:
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
    return Trace(residual, detail, numbers, usual.region)


def held_out(traces: Sequence[Trace], statistics: Statistics) -> list[Mapping[str, float]]:
    """The statistics of each trace, against what is usual for the others."""
    usual = usual_of(traces)
    return [statistics(trace, without(usual, trace, len(traces))) for trace in traces]


def usual_arrays(usual: Trace) -> Arrays:
    """A usual trace as arrays; the region is the ground's and is left out."""
    return {
        "usual/residual": usual.residual.numpy().astype(np.float16),
        "usual/detail": usual.detail.numpy().astype(np.float16),
        "usual/numbers": usual.numbers.numpy(),
    }


def usual_from(arrays: Arrays, region: torch.Tensor) -> Trace:
    """The usual trace of such arrays."""
    names = ("residual", "detail", "numbers")
    residual, detail, numbers = (torch.tensor(arrays[f"usual/{k}"]).float() for k in names)
    return Trace(residual, detail, numbers, region)


def tops(traces: Sequence[Trace]) -> list[float]:
    """The top of each trace's departure from what is usual for the others."""
    usual, count = usual_of(traces), len(traces)
    return [top(departure(one, without(usual, one, count)), one.region) for one in traces]


def departure(trace: Trace, usual: Trace) -> torch.Tensor:
    """The residual over its usual value (i, j, k), about 1 for real scans, 0 outside the region."""
    return trace.residual / _expected(usual.residual, usual.region) * trace.region


def texture_change(trace: Trace, usual: Trace) -> torch.Tensor:
    """|log ratio| of the fine part to its usual value (i, j, k), 0 outside the region."""
    expected = _expected(usual.detail, usual.region)
    return torch.log((trace.detail.float() + FLOOR) / expected).abs() * trace.region


def smoothness(trace: Trace, usual: Trace) -> float:
    """|log ratio| of the fine part over the region to what it usually is there."""
    found, expected = (t.detail.float()[trace.region].mean() + FLOOR for t in (trace, usual))
    return float(torch.log(found / expected).abs())


def root_mean_square(values: torch.Tensor, region: torch.Tensor) -> float:
    """Over the region (bool, of the same shape)."""
    return float(values[region].square().mean().sqrt())


def peak(values: torch.Tensor, region: torch.Tensor) -> float:
    """Mean of the highest 1 % of the region."""
    return highest(values, region, share=PEAK_SHARE)


def excess(numbers: torch.Tensor, usual: torch.Tensor) -> float:
    """Mean ratio of numbers (n,) to their usual values."""
    return float((numbers / usual.clamp_min(1e-8)).mean())


def change(numbers: torch.Tensor, usual: torch.Tensor) -> float:
    """Mean |log ratio| of numbers (n,) to their usual values."""
    ratio = numbers.clamp_min(1e-8) / usual.clamp_min(1e-8)
    return float(torch.log(ratio).abs().mean())


def _expected(usual: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """A usual map, steadied by its neighbourhood and by its mean over the region."""
    overall = usual[region].mean()
    return LOCAL_SHARE * box_mean(usual, FINE) + (1 - LOCAL_SHARE) * overall + FLOOR
