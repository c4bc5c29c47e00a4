"""The lesion's volume over time, for the curve of the report; it is not judged.

The measures are `lesion_volume@MONTH`, and the same with `_stated`, `_most` or `_least` before the
month.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_safegen.api import Measure
from safegen_detectors.longitudinal.inputs.growth_statement import GrowthStatement
from safegen_detectors.longitudinal.maths.growth import (
    MAX_LOG_RATIO,
    Volume,
    VolumeSeries,
    VolumeStep,
    fastest_log_ratio,
    least_log_ratio,
    volume_series,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_safegen.api import Scan


def curve_measures(scans: Sequence[Scan]) -> list[Measure]:
    """Measures of each timepoint for the volume curve, from the first measurable one on.

    Nothing where fewer than two timepoints have months and a measurable mask.
    """
    series = volume_series(scans)
    if len({volume.month for volume in series.volumes}) < 2:
        return []
    return [measure for volume in series.volumes for measure in _curve_points(series, volume)]


def _curve_points(series: VolumeSeries, volume: Volume) -> Iterator[Measure]:
    first, stated = series.volumes[0], series.stated
    step = VolumeStep(first, volume)
    yield _curve_measure("lesion_volume", volume, volume.ml)
    noise = 0.0 if volume is first else step.noise
    most = fastest_log_ratio(first.ml, days=step.days, noise=noise, band=series.band)
    yield _curve_measure(
        "lesion_volume_most", volume, first.ml * math.exp(min(most, MAX_LOG_RATIO))
    )
    if not series.treated and not series.band.shrinks and series.band.least_ratio > 0:
        least = 0.0 if volume is first else least_log_ratio(noise=noise, band=series.band)
        yield _curve_measure("lesion_volume_least", volume, first.ml * math.exp(least))
    if isinstance(stated, GrowthStatement):
        yield _curve_measure("lesion_volume_stated", volume, stated.volume(first.ml, step.days))


def _curve_measure(name: str, volume: Volume, ml: float) -> Measure:
    return Measure(f"{name}@{volume.month:g}", ml, "ml")
