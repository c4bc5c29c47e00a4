"""Measures of the lesion masks of a series: volume, growth, fate, place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np

from pytest_safegen.model import Measure
from pytest_safegen.prepare import spacing_of
from safegen_detectors.longitudinal import growth, masks
from safegen_detectors.longitudinal.alignment import lesion_of
from safegen_detectors.longitudinal.pair_measures import between
from safegen_detectors.longitudinal.words import days as span, label, place, positive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_safegen.model import Scan
    from safegen_detectors.longitudinal.alignment import Alignment
    from safegen_detectors.longitudinal.timepoints import Timepoint

SAME_LESION_REACH = 10.0  # mm between a lesion and what became of it
ONE_VOXEL_OUT = 1.01  # of the prepared spacing: the body's edge is no sharper than this


@dataclass(frozen=True, slots=True)
class Step:
    """A measurable change of the lesion: volumes in ml, time in days, `noise` of ln(V2/V1)."""

    first: float
    second: float
    days: float
    days_before: float
    noise: float

    @property
    def log_ratio(self) -> float:
        """ln(V2/V1)."""
        return math.log(self.second / self.first)


def volume_measures(points: Sequence[Timepoint]) -> list[Measure]:
    """Lesion volume at the first and at the last timepoint that has a mask."""
    volumes = [
        masks.volume(point.scan.mask, point.scan.affine)
        for point in points
        if point.scan.mask is not None
    ]
    if not volumes:
        return []
    return [
        Measure("lesion_volume_first", volumes[0], "ml"),
        Measure("lesion_volume_last", volumes[-1], "ml"),
    ]


def growth_measures(aligned: Alignment, *, start: float | None) -> list[Measure]:
    """Speed and stated growth of the lesion; nothing where masks or months are missing.

    `start` is the month of the series' first scan. A volume below two voxels across is not
    measured.
    """
    step = _step(aligned, start=start)
    if step is None:
        return []
    return [_speed(aligned, step), *_against_statement(aligned, step)]


def fate_measures(aligned: Alignment) -> list[Measure]:
    """How many lesions are gone; not asked after treatment or where lesions go by themselves."""
    earlier, later = aligned.earlier, aligned.later
    if earlier.scan.mask is None or later.scan.mask is None or _may_shrink(aligned):
        return []
    grid = later.prepared
    lost = masks.lost_parts(
        lesion_of(earlier, onto=grid, mapping=aligned.mapping),
        lesion_of(later, onto=grid),
        reach=SAME_LESION_REACH,
        spacing=float(spacing_of(grid.affine)[0]),
    )
    says = f"{lost} untreated lesion{'s' * (lost > 1)} of the mask vanished {between(aligned)}"
    return [Measure("lesions_vanished", lost, "lesions", says)]


def depth_outside(point: Timepoint) -> NDArray[np.float64] | None:
    """How far in mm each voxel of the mask lies outside the body, (n,), one voxel forgiven.

    None without a mask, with an empty one, or where the body fills the whole image.
    """
    mask, prepared = point.scan.mask, point.prepared
    if mask is None or not mask.any() or point.crop:
        return None
    spacing = float(spacing_of(prepared.affine)[0])
    depths = masks.depths_outside(
        masks.points(mask, point.scan.affine),
        body=masks.filled_by_slice(prepared.body),
        affine=prepared.affine,
        spacing=spacing,
    )
    return np.where(depths > ONE_VOXEL_OUT * spacing, depths, 0.0)


def place_measures(point: Timepoint, depths: NDArray[np.float64] | None) -> list[Measure]:
    """Share of the mask inside the body, and how deep it leaves the body."""
    if depths is None or point.scan.mask is None:
        return []
    inside, deepest = float((depths == 0).mean()), float(depths.max())
    where = place(masks.points(point.scan.mask, point.scan.affine)[int(depths.argmax())])
    says = (
        f"{1 - inside:.0%} of the lesion mask at {point.name} lies outside the body, farthest at "
        f"{where}"
    )
    reaches = f"the lesion mask at {point.name} reaches {deepest:.1f} mm out of the body at {where}"
    return [
        Measure("mask_inside", inside, "", says),
        Measure("mask_depth_outside", deepest, "mm", reaches),
    ]


def _step(aligned: Alignment, *, start: float | None) -> Step | None:
    first, second = _measured(aligned.earlier.scan), _measured(aligned.later.scan)
    months = aligned.earlier.ref.months, aligned.later.ref.months
    if first is None or second is None or None in (*months, start):
        return None
    begin, end = (growth.DAYS_A_MONTH * (month or 0.0) for month in months)
    if end <= begin:
        return None
    noise = math.hypot(first[1], second[1])
    before = begin - growth.DAYS_A_MONTH * (start or 0.0)
    return Step(first[0], second[0], end - begin, before, noise)


def _measured(scan: Scan) -> tuple[float, float] | None:
    """Volume in ml and its relative noise; None where it cannot be measured."""
    if scan.mask is None or not scan.mask.any():
        return None
    volume = masks.volume(scan.mask, scan.affine)
    noise = growth.volume_noise(volume, spacing=spacing_of(scan.affine).tolist())
    return None if noise is None else (volume, noise)


def _speed(aligned: Alignment, step: Step) -> Measure:
    band = growth.band_for(label(aligned.later.ref.labels, "pathology"))
    speed = growth.growth_speed(
        step.first, step.second, days=step.days, noise=step.noise, band=band
    )
    says = f"{_change(aligned, step)}, too fast for {band.name} ({_limit(band)})"
    return Measure("growth_speed", speed, "", says)


def _limit(band: growth.Band) -> str:
    if band.kind == "doubling":
        return f"limit: doubling in {span(band.limit)}; {band.source}"
    return f"limit: {band.limit:g} mm a year in diameter; {band.source}"


def _change(aligned: Alignment, step: Step) -> str:
    text = (
        f"the lesion changes from {step.first:.2g} to {step.second:.2g} ml in {span(step.days)} "
        f"{between(aligned)}"
    )
    doubling = growth.doubling_days(step.log_ratio, days=step.days)
    return f"{text}, a doubling in {span(doubling)}" if math.isfinite(doubling) else text


def _against_statement(aligned: Alignment, step: Step) -> list[Measure]:
    labels = {**aligned.earlier.ref.labels, **aligned.later.ref.labels}
    stated, doubling = label(labels, "growth_model"), label(labels, "doubling_days")
    if stated is None and doubling is None:
        return []
    model, number = growth.known_model(stated or "exponential"), positive(doubling)
    if model is None or (number is None and model != "stable"):
        return [_unread(stated, doubling)]
    asked = growth.model_log_ratio(
        model, days_before=step.days_before, days=step.days, doubling=number or math.inf
    )
    off = growth.deviation(step.log_ratio, asked=asked, noise=step.noise)
    says = (
        f"{_change(aligned, step)}: x{math.exp(step.log_ratio):.2f} where the stated growth "
        f"({model}{f', doubling in {span(number)}' if number else ''}) asks for "
        f"x{math.exp(min(asked, 50.0)):.2f}"
    )
    return [Measure("growth_deviation", off, "", says)]


def _unread(model: str | None, doubling: str | None) -> Measure:
    known = ", ".join(get_args(growth.Model))
    says = (
        f"the stated growth (model {model or 'not given'}, doubling_days {doubling or 'not given'})"
        f" cannot be compared: give one of {known}, with doubling_days as a positive number"
    )
    return Measure("growth_statement_unread", 1, "", says)


def _may_shrink(aligned: Alignment) -> bool:
    labels = [aligned.earlier.ref.labels, aligned.later.ref.labels]
    treated = any(label(one, key) for one in labels for key in ("treated", "resected"))
    return treated or growth.band_for(label(labels[1], "pathology")).shrinks
