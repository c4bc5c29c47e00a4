"""Measures of how the lesion's volume changes: too fast, not as stated, the wrong way, by jumps."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_safegen.api import Measure
from safegen_detectors.longitudinal import growth
from safegen_detectors.longitudinal.pathologies import ANY_LESION, DAYS_A_MONTH
from safegen_detectors.longitudinal.statement import (
    Statement,
    Unread,
)
from safegen_detectors.longitudinal.volumes import Step
from safegen_detectors.longitudinal.words import days as span

if TYPE_CHECKING:
    from collections.abc import Callable

    from safegen_detectors.longitudinal.volumes import Followed

NO_DOUBT, DOUBT, SURE = 0.0, 0.5, 1.0
FAST = 20.0  # days in which the fastest of a kind of tumour double
LONG, LEAST_GROWTH = 90.0, math.log(1.05)  # days, and ln(V2/V1)
DIRECTION_WORDS = {1: "grows", 0: "is stable", -1: "shrinks"}


def growth_measures(series: Followed) -> list[Measure]:
    """Everything that the volumes say; nothing of fewer than two that can be measured.

    After a treatment or a resection a lesion may shrink, vanish and come back: then only its
    speed and the stated model are judged.
    """
    steps = series.steps()
    if not steps:
        return []
    found = [_speed(series, step) for step in steps]
    found += _against_statement(series)
    found += _order(series)
    if not series.treated:
        found += [_shrinkage(series, step) for step in steps]
        found += _against_direction(series)
        found += _jumps(series)
    return found


def _speed(series: Followed, step: Step) -> Measure:
    band = series.band
    speed = growth.growth_speed(
        step.first.ml, step.second.ml, days=step.days, noise=step.noise, band=band
    )
    return Measure("growth_speed", speed, "", f"{_change(series, step)}; {band.usual}")


def _change(series: Followed, step: Step) -> str:
    """ "the tumour doubles in 9 days" or "the tumour shrinks by 40 %", with volumes and visits."""
    doubling = growth.doubling_days(step.log_ratio, days=step.days)
    share = step.second.ml / step.first.ml - 1
    what = f"doubles in {span(doubling)}" if share > 0.05 else f"changes by {share:+.0%}"
    return (
        f"{series.band.noun} {what} ({step.first.ml:.2g} to {step.second.ml:.2g} ml in "
        f"{span(step.days)} {step.words})"
    )


def _against_statement(series: Followed) -> list[Measure]:
    stated = series.stated
    if stated is None:
        return []
    if isinstance(stated, Unread):
        return [Measure("growth_statement_unread", 1, "", stated.why)]
    return [_deviation(series, step, stated) for step in series.steps()]


def _deviation(series: Followed, step: Step, stated: Statement) -> Measure:
    asked = _asked(series, step, stated)
    off = growth.deviation(step.log_ratio, asked=asked, noise=step.noise)
    says = (
        f"{_change(series, step)}: x{math.exp(step.log_ratio):.2f} where the stated growth "
        f"({stated.words}) asks for x{math.exp(min(asked, growth.MOST_LOG_RATIO)):.2f}"
    )
    return Measure("growth_deviation", off, "", says)


def _asked(series: Followed, step: Step, stated: Statement) -> float:
    first = series.volumes[0]
    before = (step.first.month - first.month) * DAYS_A_MONTH
    return stated.log_ratio(first.ml, days_before=before, days=step.days)


def _shrinkage(series: Followed, step: Step) -> Measure:
    """In units of what an untreated lesion of that kind may lose."""
    least = growth.least_log_ratio(noise=step.noise, band=series.band)
    says = f"{_change(series, step)} and no treatment is told; {series.band.usual}"
    return Measure("untreated_shrinkage", max(step.log_ratio / least, 0.0), "", says)


def _against_direction(series: Followed) -> list[Measure]:
    direction = series.direction
    if direction is None:
        return []
    return [
        *_unmet(series, direction),
        *(_off(series, step, direction) for step in series.steps()),
    ]


def _unmet(series: Followed, direction: int) -> list[Measure]:
    """What the whole change lacks to exceed its noise and 2 %, of a change that is stated."""
    step = Step(series.volumes[0], series.volumes[-1])
    if direction == 0 or step.days <= 0:
        return []
    needed = growth.SIGMAS * step.noise + math.log(1.02)
    says = (
        f"the text says that the lesion {DIRECTION_WORDS[direction]}, and "
        f"{_change(series, step)}: no change that could be measured"
    )
    unmet = min(needed / max(direction * step.log_ratio, needed / 10), 10.0)
    return [Measure("change_unmet", unmet, "", says), *_excluded(series, step, direction)]


def _excluded(series: Followed, step: Step, direction: int) -> list[Measure]:
    """Whether a fast tumour that is said to grow cannot have grown, for all the noise of counting.

    Of a tumour that doubles within 400 days, 90 days add 17 %.
    """
    fast = series.band is not ANY_LESION and series.band.kind == "doubling"
    if direction < 0 or not fast or series.band.edge > FAST or step.days < LONG or series.treated:
        return []
    most = step.log_ratio + growth.SIGMAS * step.noise
    says = (
        f"the text says that the lesion grows, and {_change(series, step)}: at most "
        f"{math.expm1(most):+.0%}, where {series.band.usual}"
    )
    return [Measure("growth_excluded", float(most < LEAST_GROWTH), "", says)]


def _off(series: Followed, step: Step, direction: int) -> Measure:
    off = growth.off_direction(
        step.log_ratio,
        direction=direction,
        within=series.band.stable_within,
        noise=step.noise,
    )
    says = (
        f"the text says that the lesion {DIRECTION_WORDS[direction]}, and {_change(series, step)}"
    )
    return Measure("direction_deviation", off, "", says)


def _jumps(series: Followed) -> list[Measure]:
    if series.band.shrinks:
        return []
    steps = [step for step in series.steps() if (step.first, step.second) in _neighbours(series)]
    return [
        Measure(
            "volume_jump",
            growth.jump(one.log_ratio, two.log_ratio, noise=max(one.noise, two.noise)),
            "",
            f"the volume jumps to {one.second.ml:.2g} ml at {one.second.name} and back "
            f"({one.first.ml:.2g} ml before, {two.second.ml:.2g} ml after)",
        )
        for one, two in pairwise(steps)
    ]


def _neighbours(series: Followed) -> set[tuple[object, object]]:
    return set(pairwise(series.volumes))


def _order(series: Followed) -> list[Measure]:
    """Whether the volumes of two timepoints exchanged fit what is told, and as they are do not.

    Sure where growth is stated; a doubt where only the pathology says that it cannot shrink.
    """
    told = _told(series)
    if told is None or series.treated:
        return []
    sure, strain = told
    if strain(series) <= 1.0:
        return [Measure("order_doubt", NO_DOUBT)]
    better = any(strain(other) <= 1.0 for other in series.exchanged())
    volumes = ", ".join(f"{volume.ml:.2g} ml at {volume.name}" for volume in series.volumes)
    says = f"two timepoints look exchanged: in another order the volumes fit ({volumes})"
    return [Measure("order_doubt", (SURE if sure else DOUBT) if better else NO_DOUBT, "", says)]


def _told(series: Followed) -> tuple[bool, Callable[[Followed], float]] | None:
    """Whether it is sure what the volumes should do, and how far they are from that."""
    stated, direction = series.stated, series.direction
    if isinstance(stated, Statement) and stated.model != "stable":
        return True, partial(_off_statement, stated)
    if direction:
        return True, partial(_off_direction, direction)
    if series.band.shrinks or series.band.least_ratio <= 0:
        return None
    return False, partial(_off_direction, 1)


def _off_statement(stated: Statement, series: Followed) -> float:
    return max(
        growth.deviation(step.log_ratio, asked=_asked(series, step, stated), noise=step.noise)
        for step in series.steps()
    )


def _off_direction(direction: int, series: Followed) -> float:
    within = series.band.stable_within
    return max(
        growth.off_direction(s.log_ratio, direction=direction, within=within, noise=s.noise)
        for s in series.steps()
    )
