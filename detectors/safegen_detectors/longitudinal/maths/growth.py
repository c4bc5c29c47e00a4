"""Lesion volumes over time: counting noise, growth speed, and deviation from the stated growth.

Volumes are in ml, times in days or months; growth is ln(V2/V1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from pytest_safegen.api import spacing_of
from safegen_detectors.longitudinal.inputs.columns import GROWTH_COLUMNS
from safegen_detectors.longitudinal.inputs.geometry import mask_volume
from safegen_detectors.longitudinal.inputs.growth_statement import (
    GrowthStatement,
    UnusableStatement,
    parse_growth_direction,
    parse_growth_statement,
)
from safegen_detectors.longitudinal.inputs.metadata import is_treated, read_label, scan_name
from safegen_detectors.longitudinal.inputs.pathologies import (
    DAYS_PER_MONTH,
    GrowthBand,
    growth_band,
    growth_rate,
    log_ratio_at_rate,
    rate_limits,
    sphere_diameter,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_safegen.api import Scan


NOISE_SIGMAS = 2.0
MIN_DIAMETER_VOXELS = 1.5  # voxel sides of a sphere whose volume can be counted at all
MAX_LOG_RATIO = 50.0  # beyond this, volumes are not told apart


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume in ml at a month, with the standard deviation of its logarithm."""

    name: str
    month: float
    ml: float
    noise: float
    treated: bool


@dataclass(frozen=True, slots=True)
class VolumeStep:
    """A volume and a later one."""

    first: Volume
    second: Volume

    @property
    def days(self) -> float:
        """The time between them."""
        return (self.second.month - self.first.month) * DAYS_PER_MONTH

    @property
    def log_ratio(self) -> float:
        """ln(V2/V1)."""
        return math.log(self.second.ml / self.first.ml)

    @property
    def noise(self) -> float:
        """Standard deviation of ln(V2/V1)."""
        return math.hypot(self.first.noise, self.second.noise)

    @property
    def treated(self) -> bool:
        """True where either timepoint is labelled as treated or resected."""
        return self.first.treated or self.second.treated

    @property
    def pair(self) -> str:
        """What a message calls the two timepoints."""
        return f"from {self.first.name} to {self.second.name}"


@dataclass(frozen=True, slots=True)
class VolumeSeries:
    """The measurable volumes of one modality, in the order of the series, with their labels.

    `labels` are those in which no two scans differ; `disputed` names the growth columns in which
    some do; `direction` is the one that all scans with a direction share.
    """

    volumes: tuple[Volume, ...]
    labels: Mapping[str, str]
    disputed: tuple[str, ...] = ()
    direction: int | None = None

    @property
    def stated(self) -> GrowthStatement | UnusableStatement | None:
        """The growth that the metadata state for the whole series."""
        if self.disputed:
            names = ", ".join(self.disputed)
            return UnusableStatement(
                f"the timepoints state different growth ({names}); state one for all of them"
            )
        return parse_growth_statement(self.labels)

    @property
    def band(self) -> GrowthBand:
        """The published growth of the pathology."""
        return growth_band(read_label(self.labels, "pathology"))

    @property
    def treated(self) -> bool:
        """True where any timepoint is labelled as treated or resected."""
        return any(volume.treated for volume in self.volumes)

    def steps(self) -> list[VolumeStep]:
        """Each volume with the next one, and the first with the last, where time advances."""
        pairs = [*pairwise(self.volumes)]
        if len(self.volumes) > 2:
            pairs.append((self.volumes[0], self.volumes[-1]))
        return [VolumeStep(*pair) for pair in pairs if pair[1].month > pair[0].month]

    def exchanged(self) -> list[VolumeSeries]:
        """The same months with the volumes of any two timepoints exchanged."""
        found = []
        for a, b in combinations(range(len(self.volumes)), 2):
            order = list(self.volumes)
            order[a], order[b] = (
                _at_timepoint(self.volumes[b], order[a]),
                _at_timepoint(self.volumes[a], order[b]),
            )
            found.append(replace(self, volumes=tuple(order)))
        return found


def volume_series(scans: Sequence[Scan]) -> VolumeSeries:
    """The volumes that can be measured: a mask, a month, and 1.5 voxels across."""
    volumes = [volume for scan in scans if (volume := _measured_volume(scan)) is not None]
    texts_by_key: dict[str, set[str]] = {}
    for scan in scans:
        for key in scan.ref.labels:
            if (text := read_label(scan.ref.labels, key)) is not None:
                texts_by_key.setdefault(key, set()).add(text)
    stating_growth = ("growth_model", *GROWTH_COLUMNS)
    disputed = tuple(key for key in stating_growth if len(texts_by_key.get(key, ())) > 1)
    agreed = {key: texts.pop() for key, texts in texts_by_key.items() if len(texts) == 1}
    directions = {parse_growth_direction(scan.ref.labels) for scan in scans} - {None}
    direction = directions.pop() if len(directions) == 1 else None
    return VolumeSeries(tuple(volumes), agreed, disputed, direction)


def _measured_volume(scan: Scan) -> Volume | None:
    if scan.mask is None or not scan.mask.any() or scan.ref.months is None:
        return None
    ml = mask_volume(scan.mask, scan.affine)
    noise = volume_noise(ml, spacing=spacing_of(scan.affine).tolist())
    if noise is None:
        return None
    return Volume(scan_name(scan.ref), scan.ref.months, ml, noise, is_treated(scan.ref.labels))


def _at_timepoint(volume: Volume, place: Volume) -> Volume:
    return Volume(place.name, place.month, volume.ml, volume.noise, place.treated)


def volume_noise(volume: float, *, spacing: Sequence[float]) -> float | None:
    """Relative standard deviation of a volume (ml) from counting voxels (mm) alone.

    (s/d)^2 with the largest voxel side s and the diameter d, half of it on thick slices; fitted
    to spheres at random places. None below d = 1.5 s, where a volume cannot be measured.
    """
    largest, smallest = max(spacing), min(spacing)
    diameter = sphere_diameter(volume)
    if diameter < MIN_DIAMETER_VOXELS * largest:
        return None
    noise = (largest / diameter) ** 2
    return noise if largest / smallest <= 1.5 else 0.5 * noise


def doubling_days(log_ratio: float, *, days: float) -> float:
    """Volume doubling time of a growth by `log_ratio` = ln(V2/V1); infinite without growth."""
    return days * math.log(2) / log_ratio if log_ratio > 0 else math.inf


def growth_speed(
    first: float, second: float, *, days: float, noise: float, band: GrowthBand
) -> float:
    """Growth between two volumes (ml): 0.5 at the fastest published growth, 1 at the limit.

    It is linear in between and beyond. `noise` is the standard deviation of ln(V2/V1);
    growth within two of them does not count.
    """
    certain = math.log(second / first) - NOISE_SIGMAS * noise
    if certain <= 0:
        return 0.0
    rate = growth_rate(first, certain, days=days, band=band)
    edge, limit = rate_limits(band)
    if rate <= edge:
        return 0.5 * rate / edge
    return 0.5 + 0.5 * (rate - edge) / (limit - edge)


def fastest_log_ratio(first: float, *, days: float, noise: float, band: GrowthBand) -> float:
    """ln(V2/V1) at which `growth_speed` from a first volume (ml) on is exactly 1."""
    ratio = log_ratio_at_rate(first, rate_limits(band)[1], days=days, band=band)
    return ratio + NOISE_SIGMAS * noise


def least_log_ratio(*, noise: float, band: GrowthBand) -> float:
    """ln(V2/V1) below which an untreated lesion of that band shrinks more than it should."""
    if band.shrinks or band.least_ratio <= 0:
        return -MAX_LOG_RATIO
    return math.log(band.least_ratio) - NOISE_SIGMAS * noise


def growth_deviation(log_ratio: float, *, stated: float, noise: float) -> float:
    """The distance of two ln(V2/V1), in units of the tolerance ln(1.10) + 3 noise."""
    return abs(log_ratio - stated) / (math.log(1.10) + 3 * noise)


def direction_deviation(
    log_ratio: float, *, direction: int, stable_within: float, noise: float
) -> float:
    """How far a change goes against the stated direction, in units of the tolerance.

    Growing (1) and shrinking (-1) lesions may go the other way by 5 %, a stable one (0) may change
    by the share `stable_within`, all with two standard deviations of noise on top.
    """
    slack = NOISE_SIGMAS * noise
    if direction == 0:
        return abs(log_ratio) / (math.log(1 + stable_within) + slack)
    return max(-direction * log_ratio, 0.0) / (math.log(1.05) + slack)


def volume_jump(before: float, after: float, *, noise: float) -> float:
    """A change that the next step undoes, in units of max(ln 1.5, 4 noise); 0 where it does not.

    `before` and `after` are ln(V2/V1) of two steps in a row.
    """
    if before * after >= 0:
        return 0.0
    return min(abs(before), abs(after)) / max(math.log(1.5), 4 * noise)


def format_days(number: float) -> str:
    """A time span in days or years, as people would say it."""
    if number < 10:
        return f"{number:.1f} days"
    return f"{number:.0f} days" if number < 730 else f"{number / 365.25:.1f} years"
