"""The lesion's volume over time as measures for the report: measured, stated, and believable.

They are not judged. Their names are `lesion_volume@MONTH`, and the same with `_stated` or `_most`
before the month.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_safegen.model import Measure
from pytest_safegen.prepare import spacing_of
from safegen_detectors.longitudinal import growth, masks
from safegen_detectors.longitudinal.words import label, positive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_safegen.model import Scan

MOST_LOG_RATIO = 50.0  # beyond this a volume is only "far too large"


@dataclass(frozen=True, slots=True)
class Volume:
    """A measured volume in ml at a month, with its relative noise."""

    month: float
    ml: float
    noise: float


def curve_measures(scans: Sequence[Scan]) -> list[Measure]:
    """Measures of every timepoint of a modality, from the first measurable one on.

    Nothing where fewer than two timepoints have months and a measurable mask.
    """
    volumes = [volume for scan in scans if (volume := _volume(scan)) is not None]
    if len({volume.month for volume in volumes}) < 2:
        return []
    labels = {key: text for scan in scans for key, text in scan.ref.labels.items()}
    found = []
    for volume in volumes:
        found.append(_measure("lesion_volume", volume.month, volume.ml))
        found.append(
            _measure("lesion_volume_most", volume.month, _most(volumes[0], volume, labels))
        )
        if (stated := _stated(volumes[0], volume, labels)) is not None:
            found.append(_measure("lesion_volume_stated", volume.month, stated))
    return found


def _measure(name: str, month: float, ml: float) -> Measure:
    return Measure(f"{name}@{month:g}", ml, "ml")


def _volume(scan: Scan) -> Volume | None:
    if scan.mask is None or not scan.mask.any() or scan.ref.months is None:
        return None
    ml = masks.volume(scan.mask, scan.affine)
    noise = growth.volume_noise(ml, spacing=spacing_of(scan.affine).tolist())
    return None if noise is None else Volume(scan.ref.months, ml, noise)


def _days(first: Volume, later: Volume) -> float:
    return (later.month - first.month) * growth.DAYS_A_MONTH


def _most(first: Volume, later: Volume, labels: dict[str, str]) -> float:
    """The volume at which `growth_speed` from the first one on reaches 1."""
    band = growth.band_for(label(labels, "pathology"))
    noise = math.hypot(first.noise, later.noise) if later is not first else 0.0
    ratio = growth.fastest_log_ratio(first.ml, days=_days(first, later), noise=noise, band=band)
    return first.ml * math.exp(min(ratio, MOST_LOG_RATIO))


def _stated(first: Volume, later: Volume, labels: dict[str, str]) -> float | None:
    model = growth.known_model(label(labels, "growth_model") or "exponential")
    doubling = positive(label(labels, "doubling_days"))
    if model is None or (doubling is None and model != "stable"):
        return None
    days = _days(first, later)
    ratio = growth.model_log_ratio(model, days_before=0.0, days=days, doubling=doubling or math.inf)
    return first.ml * math.exp(min(ratio, MOST_LOG_RATIO))
