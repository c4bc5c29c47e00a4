"""The lesion's volume at each timepoint of a series, and how sure it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from pytest_safegen.prepare import spacing_of
from safegen_detectors.longitudinal import growth, masks
from safegen_detectors.longitudinal.pathologies import DAYS_A_MONTH, Band, band_for
from safegen_detectors.longitudinal.words import label, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_safegen.model import Scan


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume in ml at a month, with the standard deviation of its logarithm."""

    name: str
    month: float
    ml: float
    noise: float
    treated: bool


@dataclass(frozen=True, slots=True)
class Step:
    """From one volume to a later one."""

    first: Volume
    second: Volume

    @property
    def days(self) -> float:
        """The time between them."""
        return (self.second.month - self.first.month) * DAYS_A_MONTH

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
        """Whether a treatment or resection is told of either timepoint."""
        return self.first.treated or self.second.treated

    @property
    def words(self) -> str:
        """The pair as a sentence names it."""
        return f"from {self.first.name} to {self.second.name}"


@dataclass(frozen=True, slots=True)
class Followed:
    """The measurable volumes of one modality, in the order of the series, and what is told."""

    volumes: tuple[Volume, ...]
    labels: Mapping[str, str]

    @property
    def band(self) -> Band:
        """What can be believed of the pathology."""
        return band_for(label(self.labels, "pathology"))

    @property
    def treated(self) -> bool:
        """Whether any timepoint tells of a treatment."""
        return any(volume.treated for volume in self.volumes)

    def steps(self) -> list[Step]:
        """Each volume with the next one, and the first with the last, where time goes on."""
        pairs = [*pairwise(self.volumes)]
        if len(self.volumes) > 2:
            pairs.append((self.volumes[0], self.volumes[-1]))
        return [Step(*pair) for pair in pairs if pair[1].month > pair[0].month]

    def exchanged(self) -> list[Followed]:
        """The same months with the volumes of any two timepoints exchanged."""
        found = []
        for a, b in combinations(range(len(self.volumes)), 2):
            order = list(self.volumes)
            order[a], order[b] = _at(self.volumes[b], order[a]), _at(self.volumes[a], order[b])
            found.append(Followed(tuple(order), self.labels))
        return found


def followed(scans: Sequence[Scan]) -> Followed:
    """The volumes that can be measured: a mask, a month, and 1.5 voxels across."""
    volumes = [volume for scan in scans if (volume := _volume(scan)) is not None]
    labels = {key: text for scan in scans for key, text in scan.ref.labels.items()}
    return Followed(tuple(volumes), labels)


def is_treated(labels: Mapping[str, str]) -> bool:
    """Whether a scan's labels tell of a treatment or a resection."""
    return any(label(labels, key) for key in ("treated", "resected"))


def _volume(scan: Scan) -> Volume | None:
    if scan.mask is None or not scan.mask.any() or scan.ref.months is None:
        return None
    ml = masks.volume(scan.mask, scan.affine)
    noise = growth.volume_noise(ml, spacing=spacing_of(scan.affine).tolist())
    if noise is None:
        return None
    return Volume(name_of(scan.ref), scan.ref.months, ml, noise, is_treated(scan.ref.labels))


def _at(volume: Volume, place: Volume) -> Volume:
    return Volume(place.name, place.month, volume.ml, volume.noise, place.treated)
