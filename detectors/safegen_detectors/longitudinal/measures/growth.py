"""Measures of lesion growth: speed, deviation from the stated growth, direction, jumps.

The volume curve is for the report and is not judged: `lesion_volume@MONTH`, and the same with
`_stated`, `_most` or `_least` before the month.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_safegen.api import Measure
from safegen_detectors.longitudinal.inputs.growth_statement import (
    GrowthStatement,
    UnusableStatement,
)
from safegen_detectors.longitudinal.inputs.pathologies import ANY_LESION, DAYS_PER_MONTH
from safegen_detectors.longitudinal.maths.growth import (
    MAX_LOG_RATIO,
    NOISE_SIGMAS,
    Volume,
    VolumeSeries,
    VolumeStep,
    direction_deviation,
    doubling_days,
    fastest_log_ratio,
    format_days,
    growth_deviation,
    growth_speed,
    least_log_ratio,
    volume_jump,
    volume_series,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_safegen.api import Scan


NO_DOUBT, DOUBT, SURE = 0.0, 0.5, 1.0
FAST_DOUBLING_DAYS = 20.0  # days in which the fastest of a kind of tumour double
MIN_DAYS, MIN_GROWTH = 90.0, math.log(1.05)  # days, and ln(V2/V1)
DIRECTION_WORDS = {1: "grows", 0: "is stable", -1: "shrinks"}


def growth_measures(series: VolumeSeries) -> list[Measure]:
    """Everything that the volumes say; nothing of fewer than two that can be measured.

    After a treatment or a resection a lesion may shrink, vanish and come back: then only its
    speed and the stated model are judged.
    """
    steps = series.steps()
    if not steps:
        return []
    found = [_growth_speed(series, step) for step in steps]
    found += _against_statement(series)
    found += _order_doubt(series)
    if not series.treated:
        found += [_untreated_shrinkage(series, step) for step in steps]
        found += _against_direction(series)
        found += _volume_jumps(series)
    return found


def _growth_speed(series: VolumeSeries, step: VolumeStep) -> Measure:
    band = series.band
    speed = growth_speed(step.first.ml, step.second.ml, days=step.days, noise=step.noise, band=band)
    return Measure("growth_speed", speed, "", f"{_describe_change(series, step)}; {band.usual}")


def _describe_change(series: VolumeSeries, step: VolumeStep) -> str:
    """ "the tumour doubles in 9 days" or "the tumour shrinks by 40 %", with volumes and visits."""
    doubling = doubling_days(step.log_ratio, days=step.days)
    share = step.second.ml / step.first.ml - 1
    what = f"doubles in {format_days(doubling)}" if share > 0.05 else f"changes by {share:+.0%}"
    return (
        f"{series.band.noun} {what} ({step.first.ml:.2g} to {step.second.ml:.2g} ml in "
        f"{format_days(step.days)} {step.words})"
    )


def _against_statement(series: VolumeSeries) -> list[Measure]:
    stated = series.stated
    if stated is None:
        return []
    if isinstance(stated, UnusableStatement):
        return [Measure("growth_statement_unread", 1, "", stated.why)]
    return [_growth_deviation(series, step, stated) for step in series.steps()]


def _growth_deviation(series: VolumeSeries, step: VolumeStep, stated: GrowthStatement) -> Measure:
    asked = _stated_log_ratio(series, step, stated)
    off = growth_deviation(step.log_ratio, asked=asked, noise=step.noise)
    message = (
        f"{_describe_change(series, step)}: x{math.exp(step.log_ratio):.2f} "
        "where the stated growth "
        f"({stated.words}) asks for x{math.exp(min(asked, MAX_LOG_RATIO)):.2f}"
    )
    return Measure("growth_deviation", off, "", message)


def _stated_log_ratio(series: VolumeSeries, step: VolumeStep, stated: GrowthStatement) -> float:
    first = series.volumes[0]
    before = (step.first.month - first.month) * DAYS_PER_MONTH
    return stated.log_ratio(first.ml, days_before=before, days=step.days)


def _untreated_shrinkage(series: VolumeSeries, step: VolumeStep) -> Measure:
    """In units of what an untreated lesion of that kind may lose."""
    least = least_log_ratio(noise=step.noise, band=series.band)
    message = f"{_describe_change(series, step)} and no treatment is told; {series.band.usual}"
    return Measure("untreated_shrinkage", max(step.log_ratio / least, 0.0), "", message)


def _against_direction(series: VolumeSeries) -> list[Measure]:
    direction = series.direction
    if direction is None:
        return []
    return [
        *_unmet_change(series, direction),
        *(_direction_deviation(series, step, direction) for step in series.steps()),
    ]


def _unmet_change(series: VolumeSeries, direction: int) -> list[Measure]:
    """What the whole change lacks to exceed its noise and 2 %, of a change that is stated."""
    step = VolumeStep(series.volumes[0], series.volumes[-1])
    if direction == 0 or step.days <= 0:
        return []
    needed = NOISE_SIGMAS * step.noise + math.log(1.02)
    message = (
        f"the text says that the lesion {DIRECTION_WORDS[direction]}, and "
        f"{_describe_change(series, step)}: no change that could be measured"
    )
    unmet = min(needed / max(direction * step.log_ratio, needed / 10), 10.0)
    return [Measure("change_unmet", unmet, "", message), *_excluded_growth(series, step, direction)]


def _excluded_growth(series: VolumeSeries, step: VolumeStep, direction: int) -> list[Measure]:
    """Whether a fast tumour that is said to grow cannot have grown, for all the noise of counting.

    Of a tumour that doubles within 400 days, 90 days add 17 %.
    """
    fast = series.band is not ANY_LESION and series.band.kind == "doubling"
    if (
        direction < 0
        or not fast
        or series.band.edge > FAST_DOUBLING_DAYS
        or step.days < MIN_DAYS
        or series.treated
    ):
        return []
    most = step.log_ratio + NOISE_SIGMAS * step.noise
    message = (
        f"the text says that the lesion grows, and {_describe_change(series, step)}: at most "
        f"{math.expm1(most):+.0%}, where {series.band.usual}"
    )
    return [Measure("growth_excluded", float(most < MIN_GROWTH), "", message)]


def _direction_deviation(series: VolumeSeries, step: VolumeStep, direction: int) -> Measure:
    off = direction_deviation(
        step.log_ratio,
        direction=direction,
        within=series.band.stable_within,
        noise=step.noise,
    )
    message = (
        f"the text says that the lesion {DIRECTION_WORDS[direction]}, and "
        f"{_describe_change(series, step)}"
    )
    return Measure("direction_deviation", off, "", message)


def _volume_jumps(series: VolumeSeries) -> list[Measure]:
    if series.band.shrinks:
        return []
    steps = [step for step in series.steps() if (step.first, step.second) in _consecutive(series)]
    return [
        Measure(
            "volume_jump",
            volume_jump(one.log_ratio, two.log_ratio, noise=max(one.noise, two.noise)),
            "",
            f"the volume jumps to {one.second.ml:.2g} ml at {one.second.name} and back "
            f"({one.first.ml:.2g} ml before, {two.second.ml:.2g} ml after)",
        )
        for one, two in pairwise(steps)
    ]


def _consecutive(series: VolumeSeries) -> set[tuple[object, object]]:
    return set(pairwise(series.volumes))


def _order_doubt(series: VolumeSeries) -> list[Measure]:
    """Whether the volumes of two timepoints exchanged fit what is told, and as they are do not.

    Sure where growth is stated; a doubt where only the pathology says that it cannot shrink.
    """
    told = _expected_change(series)
    if told is None or series.treated:
        return []
    sure, strain = told
    if strain(series) <= 1.0:
        return [Measure("order_doubt", NO_DOUBT)]
    better = any(strain(other) <= 1.0 for other in series.exchanged())
    volumes = ", ".join(f"{volume.ml:.2g} ml at {volume.name}" for volume in series.volumes)
    message = f"two timepoints look exchanged: in another order the volumes fit ({volumes})"
    return [Measure("order_doubt", (SURE if sure else DOUBT) if better else NO_DOUBT, "", message)]


def _expected_change(series: VolumeSeries) -> tuple[bool, Callable[[VolumeSeries], float]] | None:
    """Whether it is sure what the volumes should do, and how far they are from that."""
    stated, direction = series.stated, series.direction
    if isinstance(stated, GrowthStatement) and stated.model != "stable":
        return True, partial(_deviation_from_statement, stated)
    if direction:
        return True, partial(_deviation_from_direction, direction)
    if series.band.shrinks or series.band.least_ratio <= 0:
        return None
    return False, partial(_deviation_from_direction, 1)


def _deviation_from_statement(stated: GrowthStatement, series: VolumeSeries) -> float:
    return max(
        growth_deviation(
            step.log_ratio, asked=_stated_log_ratio(series, step, stated), noise=step.noise
        )
        for step in series.steps()
    )


def _deviation_from_direction(direction: int, series: VolumeSeries) -> float:
    within = series.band.stable_within
    return max(
        direction_deviation(s.log_ratio, direction=direction, within=within, noise=s.noise)
        for s in series.steps()
    )


def curve_measures(scans: Sequence[Scan]) -> list[Measure]:
    """Measures of every timepoint of a modality, from the first measurable one on.

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
