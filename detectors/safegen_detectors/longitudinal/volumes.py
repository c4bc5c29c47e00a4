"""The lesion's volume at each timepoint of a series, and how sure it is."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from pytest_safegen.api import spacing_of
from safegen_detectors.longitudinal import growth, masks
from safegen_detectors.longitudinal.pathologies import DAYS_A_MONTH, Band, band_for
from safegen_detectors.longitudinal.statement import (
    COLUMNS,
    Statement,
    Unread,
    direction_of,
    statement_of,
)
from safegen_detectors.longitudinal.words import label, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_safegen.api import Scan


NOT_YET = r"(?:not?|none|never|without|planned|pre)\b|-$"


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
    """The measurable volumes of one modality, in the order of the series, and what is told.

    `labels` are those in which no two scans differ; `disputed` names the numbers in which some
    do; `direction` is what all scans that tell one agree on.
    """

    volumes: tuple[Volume, ...]
    labels: Mapping[str, str]
    disputed: tuple[str, ...] = ()
    direction: int | None = None

    @property
    def stated(self) -> Statement | Unread | None:
        """The growth that is stated for the whole course."""
        if self.disputed:
            names = ", ".join(self.disputed)
            return Unread(f"the timepoints state different growth ({names}): state one for all")
        return statement_of(self.labels)

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
            found.append(replace(self, volumes=tuple(order)))
        return found


def followed(scans: Sequence[Scan]) -> Followed:
    """The volumes that can be measured: a mask, a month, and 1.5 voxels across."""
    volumes = [volume for scan in scans if (volume := _volume(scan)) is not None]
    told: dict[str, set[str]] = {}
    for scan in scans:
        for key in scan.ref.labels:
            if (text := label(scan.ref.labels, key)) is not None:
                told.setdefault(key, set()).add(text)
    agreed = {key: texts.pop() for key, texts in told.items() if len(texts) == 1}
    disputed = tuple(key for key in ("growth_model", *COLUMNS) if len(told.get(key, ())) > 1)
    directions = {direction_of(scan.ref.labels) for scan in scans} - {None}
    direction = directions.pop() if len(directions) == 1 else None
    return Followed(tuple(volumes), agreed, disputed, direction)


def is_treated(labels: Mapping[str, str]) -> bool:
    """Whether a scan's labels tell of a treatment or a resection that has been."""
    told = [label(labels, key) for key in ("treated", "resected")]
    return any(text is not None and not re.match(NOT_YET, text) for text in told)


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
