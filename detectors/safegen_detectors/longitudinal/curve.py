"""The lesion's volume over time as measures for the report: measured, stated, and believable.

They are not judged. Their names are `lesion_volume@MONTH`, and the same with `_stated`, `_most` or
`_least` before the month.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_safegen.api import Measure
from safegen_detectors.longitudinal import growth
from safegen_detectors.longitudinal.statement import Statement
from safegen_detectors.longitudinal.volumes import Followed, Step, Volume, followed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_safegen.api import Scan


def curve_measures(scans: Sequence[Scan]) -> list[Measure]:
    """Measures of every timepoint of a modality, from the first measurable one on.

    Nothing where fewer than two timepoints have months and a measurable mask.
    """
    series = followed(scans)
    if len({volume.month for volume in series.volumes}) < 2:
        return []
    return [measure for volume in series.volumes for measure in _at(series, volume)]


def _at(series: Followed, volume: Volume) -> Iterator[Measure]:
    first, stated = series.volumes[0], series.stated
    step = Step(first, volume)
    yield _measure("lesion_volume", volume, volume.ml)
    noise = 0.0 if volume is first else step.noise
    most = growth.fastest_log_ratio(first.ml, days=step.days, noise=noise, band=series.band)
    yield _measure(
        "lesion_volume_most", volume, first.ml * math.exp(min(most, growth.MOST_LOG_RATIO))
    )
    if not series.treated and not series.band.shrinks and series.band.least_ratio > 0:
        least = 0.0 if volume is first else growth.least_log_ratio(noise=noise, band=series.band)
        yield _measure("lesion_volume_least", volume, first.ml * math.exp(least))
    if isinstance(stated, Statement):
        yield _measure("lesion_volume_stated", volume, stated.volume(first.ml, step.days))


def _measure(name: str, volume: Volume, ml: float) -> Measure:
    return Measure(f"{name}@{volume.month:g}", ml, "ml")
