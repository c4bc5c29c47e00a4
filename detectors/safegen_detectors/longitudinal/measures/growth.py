"""Measures of lesion growth: speed, deviation from the stated growth, direction, jumps."""

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
    VolumeSeries,
    VolumeStep,
    direction_deviation,
    doubling_days,
    format_days,
    growth_deviation,
    growth_speed,
    least_log_ratio,
    volume_jump,
)

if TYPE_CHECKING:
    from collections.abc import Callable


FAST_DOUBLING_DAYS = 20.0  # days in which the fastest of a kind of tumour double
MIN_DAYS, MIN_GROWTH = 90.0, math.log(1.05)  # days, and ln(V2/V1)
DIRECTION_WORDS = {1: "growing", 0: "stable", -1: "shrinking"}


def growth_measures(series: VolumeSeries) -> list[Measure]:
    """All measures of the volumes; nothing of fewer than two that can be measured.

    After a treatment or a resection a lesion may shrink, vanish and come back: then only its
    speed and the stated model are judged.
    """
    steps = series.steps()
    if not steps:
        return []
    found = [_growth_speed(series, step) for step in steps]
    found += _against_statement(series)
    found += _exchanged_timepoints(series)
    if not series.treated:
        found += [_untreated_shrinkage(series, step) for step in steps]
        found += _against_direction(series)
        found += _volume_jumps(series)
    return found


def _growth_speed(series: VolumeSeries, step: VolumeStep) -> Measure:
    band = series.band
    speed = growth_speed(step.first.ml, step.second.ml, days=step.days, noise=step.noise, band=band)
    message = f"{_describe_change(series, step)}; {band.usual}"
    days = doubling_days(step.log_ratio, days=step.days)
    headline = f"{_noun(series)} doubled in {format_days(days)}, implausibly fast"
    return Measure("growth_speed", speed, "", message, headline)


def _noun(series: VolumeSeries) -> str:
    """The lesion at the beginning of a headline."""
    return series.band.noun.removeprefix("the ").capitalize()


def _describe_change(series: VolumeSeries, step: VolumeStep) -> str:
    """ "the tumour doubles in 9 days" or "the tumour shrinks by 40%", with volumes and visits."""
    doubling = doubling_days(step.log_ratio, days=step.days)
    share = step.second.ml / step.first.ml - 1
    if share > 0.05:
        change = f"doubles in {format_days(doubling)}"
    else:
        change = f"{'grows' if share >= 0 else 'shrinks'} by {abs(share):.0%}"
    return (
        f"{series.band.noun} {change} ({step.first.ml:.2g} to {step.second.ml:.2g} ml in "
        f"{format_days(step.days)} {step.pair})"
    )


def _describe_ratio(step: VolumeStep) -> str:
    """The change for a headline: "grew 3.1 times", or "shrank by 40%"."""
    ratio = step.second.ml / step.first.ml
    return f"grew {ratio:.3g} times" if ratio >= 1 else f"shrank by {1 - ratio:.0%}"


def _against_statement(series: VolumeSeries) -> list[Measure]:
    stated = series.stated
    if stated is None:
        return []
    if isinstance(stated, UnusableStatement):
        headline = "Growth statement cannot be used"
        return [Measure("growth_statement_unread", 1, "", stated.reason, headline)]
    return [_growth_deviation(series, step, stated) for step in series.steps()]


def _growth_deviation(series: VolumeSeries, step: VolumeStep, stated: GrowthStatement) -> Measure:
    stated_log_ratio = _stated_log_ratio(series, step, stated)
    deviation = growth_deviation(step.log_ratio, stated=stated_log_ratio, noise=step.noise)
    stated_ratio = math.exp(min(stated_log_ratio, MAX_LOG_RATIO))
    message = (
        f"{_describe_change(series, step)}, to {math.exp(step.log_ratio):.2f} times its volume; "
        f"the stated growth ({stated.summary}) is to {stated_ratio:.2f} times"
    )
    headline = f"{_noun(series)} {_describe_ratio(step)}, stated to grow {stated_ratio:.3g} times"
    return Measure("growth_deviation", deviation, "", message, headline)


def _stated_log_ratio(series: VolumeSeries, step: VolumeStep, stated: GrowthStatement) -> float:
    first = series.volumes[0]
    before = (step.first.month - first.month) * DAYS_PER_MONTH
    return stated.log_ratio(first.ml, days_before=before, days=step.days)


def _untreated_shrinkage(series: VolumeSeries, step: VolumeStep) -> Measure:
    """In units of what an untreated lesion of that kind may lose."""
    least = least_log_ratio(noise=step.noise, band=series.band)
    message = f"{_describe_change(series, step)} although no treatment is stated"
    headline = f"Untreated {_noun(series).lower()} {_describe_ratio(step)}"
    ratio = max(step.log_ratio / least, 0.0)
    return Measure("untreated_shrinkage", ratio, "", message, headline)


def _against_direction(series: VolumeSeries) -> list[Measure]:
    direction = series.direction
    if direction is None:
        return []
    return [
        *_absent_change(series, direction),
        *(_direction_deviation(series, step, direction) for step in series.steps()),
    ]


def _absent_change(series: VolumeSeries, direction: int) -> list[Measure]:
    """What the whole change lacks to exceed its noise and 2 %, of a change that is stated."""
    step = VolumeStep(series.volumes[0], series.volumes[-1])
    if direction == 0 or step.days <= 0:
        return []
    needed = NOISE_SIGMAS * step.noise + math.log(1.02)
    message = (
        f"the lesion is stated to be {DIRECTION_WORDS[direction]}, but no such change can be "
        f"measured: {_describe_change(series, step)}"
    )
    headline = f"No measurable change of a lesion stated to be {DIRECTION_WORDS[direction]}"
    ratio = min(needed / max(direction * step.log_ratio, needed / 10), 10.0)
    return [
        Measure("stated_change_absent", ratio, "", message, headline),
        *_excluded_growth(series, step, direction),
    ]


def _excluded_growth(series: VolumeSeries, step: VolumeStep, direction: int) -> list[Measure]:
    """Whether a fast tumour that is stated to grow cannot have grown, counting noise allowed for.

    Of a tumour that doubles within 400 days, 90 days add 17 %.
    """
    fast = (
        series.band is not ANY_LESION
        and series.band.kind == "doubling"
        and series.band.edge <= FAST_DOUBLING_DAYS
    )
    if direction < 0 or not fast or step.days < MIN_DAYS or series.treated:
        return []
    most = step.log_ratio + NOISE_SIGMAS * step.noise
    message = (
        f"the lesion is stated to be growing, but {_describe_change(series, step)}, "
        f"{math.expm1(most):+.0%} at most with the noise of its outline; {series.band.usual}"
    )
    headline = f"{_noun(series)} did not grow in {format_days(step.days)}, stated to be growing"
    return [Measure("growth_excluded", float(most < MIN_GROWTH), "", message, headline)]


def _direction_deviation(series: VolumeSeries, step: VolumeStep, direction: int) -> Measure:
    deviation = direction_deviation(
        step.log_ratio,
        direction=direction,
        stable_within=series.band.stable_within,
        noise=step.noise,
    )
    message = (
        f"the lesion is stated to be {DIRECTION_WORDS[direction]}, but "
        f"{_describe_change(series, step)}"
    )
    headline = f"{_noun(series)} {_describe_ratio(step)}, stated to be {DIRECTION_WORDS[direction]}"
    return Measure("direction_deviation", deviation, "", message, headline)


def _volume_jumps(series: VolumeSeries) -> list[Measure]:
    if series.band.shrinks:
        return []
    consecutive = set(pairwise(series.volumes))
    steps = [step for step in series.steps() if (step.first, step.second) in consecutive]
    return [_volume_jump(one, two) for one, two in pairwise(steps)]


def _volume_jump(one: VolumeStep, two: VolumeStep) -> Measure:
    message = (
        f"the volume jumps to {one.second.ml:.2g} ml at {one.second.name} and back, from "
        f"{one.first.ml:.2g} ml at {one.first.name} to {two.second.ml:.2g} ml at {two.second.name}"
    )
    jump = volume_jump(one.log_ratio, two.log_ratio, noise=max(one.noise, two.noise))
    headline = f"Lesion volume jumps to {one.second.ml:.2g} ml and back"
    return Measure("volume_jump", jump, "", message, headline)


def _exchanged_timepoints(series: VolumeSeries) -> list[Measure]:
    """Whether the volumes fit the expected growth only with two timepoints exchanged.

    1 where growth is stated; 0.5 where only the pathology says that the lesion cannot shrink.
    """
    expected = _expected_growth(series)
    if expected is None or series.treated:
        return []
    stated, deviation = expected
    if deviation(series) <= 1.0:
        return [Measure("timepoints_exchanged", 0.0)]
    exchanged = any(deviation(other) <= 1.0 for other in series.exchanged())
    volumes = ", ".join(f"{volume.ml:.2g} ml at {volume.name}" for volume in series.volumes)
    message = f"two timepoints look exchanged: in another order the volumes fit ({volumes})"
    value = (1.0 if stated else 0.5) if exchanged else 0.0
    headline = "Timepoints look exchanged: lesion volumes fit in another order"
    return [Measure("timepoints_exchanged", value, "", message, headline)]


def _expected_growth(series: VolumeSeries) -> tuple[bool, Callable[[VolumeSeries], float]] | None:
    """True where growth is stated, with how far volumes are from it; None where any is possible."""
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
            step.log_ratio, stated=_stated_log_ratio(series, step, stated), noise=step.noise
        )
        for step in series.steps()
    )


def _deviation_from_direction(direction: int, series: VolumeSeries) -> float:
    return max(
        direction_deviation(
            step.log_ratio,
            direction=direction,
            stable_within=series.band.stable_within,
            noise=step.noise,
        )
        for step in series.steps()
    )
