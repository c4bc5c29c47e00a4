"""Lesion growth in numbers: noise of a volume, doubling times, speed in shares of a limit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from safegen_detectors.longitudinal.pathologies import diameter, log_ratio_at, rate, rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegen_detectors.longitudinal.pathologies import Band

SIGMAS = 2.0
SMALLEST = 1.5  # voxel sides of a sphere whose volume can be counted at all
MOST_LOG_RATIO = 50.0  # beyond this a volume is only "far too large"


def volume_noise(volume: float, *, spacing: Sequence[float]) -> float | None:
    """Relative standard deviation of a volume (ml) from counting voxels (mm) alone.

    (s/d)^2 with the largest voxel side s and the diameter d, half of it on thick slices; fitted
    to spheres at random places. None below d = 1.5 s, where a volume cannot be measured.
    """
    side, thinnest = max(spacing), min(spacing)
    across = diameter(volume)
    if across < SMALLEST * side:
        return None
    noise = (side / across) ** 2
    return noise if side / thinnest <= 1.5 else 0.5 * noise


def doubling_days(log_ratio: float, *, days: float) -> float:
    """Volume doubling time of a growth by `log_ratio` = ln(V2/V1); infinite without growth."""
    return days * math.log(2) / log_ratio if log_ratio > 0 else math.inf


def growth_speed(first: float, second: float, *, days: float, noise: float, band: Band) -> float:
    """Growth between two volumes (ml): 0.5 at the fastest published growth, 1 at the limit.

    In between and beyond it goes on straight. `noise` is the standard deviation of ln(V2/V1);
    growth within two of them does not count.
    """
    sure = math.log(second / first) - SIGMAS * noise
    if sure <= 0:
        return 0.0
    found = rate(first, sure, days=days, band=band)
    edge, limit = rates(band)
    if found <= edge:
        return 0.5 * found / edge
    return 0.5 + 0.5 * (found - edge) / (limit - edge)


def fastest_log_ratio(first: float, *, days: float, noise: float, band: Band) -> float:
    """ln(V2/V1) at which `growth_speed` from a first volume (ml) on is exactly 1."""
    ratio = log_ratio_at(first, rates(band)[1], days=days, band=band)
    return ratio + SIGMAS * noise


def least_log_ratio(*, noise: float, band: Band) -> float:
    """ln(V2/V1) below which an untreated lesion of that band shrinks more than it should."""
    if band.shrinks or band.least_ratio <= 0:
        return -MOST_LOG_RATIO
    return math.log(band.least_ratio) - SIGMAS * noise


def deviation(log_ratio: float, *, asked: float, noise: float) -> float:
    """How far a growth is from the stated one, in units of the tolerance ln(1.10) + 3 noise."""
    return abs(log_ratio - asked) / (math.log(1.10) + 3 * noise)


def off_direction(log_ratio: float, *, direction: int, within: float, noise: float) -> float:
    """How far a change goes against the stated direction, in units of what is tolerated.

    Growing (1) and shrinking (-1) lesions may go the other way by 5 %, a stable one (0) may change
    by the share `within`, all with two standard deviations of noise on top.
    """
    slack = SIGMAS * noise
    if direction == 0:
        return abs(log_ratio) / (math.log(1 + within) + slack)
    return max(-direction * log_ratio, 0.0) / (math.log(1.05) + slack)


def jump(before: float, after: float, *, noise: float) -> float:
    """A change that is taken back, in units of max(ln 1.5, 4 noise); 0 where it is not.

    `before` and `after` are ln(V2/V1) of two steps in a row.
    """
    if before * after >= 0:
        return 0.0
    return min(abs(before), abs(after)) / max(math.log(1.5), 4 * noise)
