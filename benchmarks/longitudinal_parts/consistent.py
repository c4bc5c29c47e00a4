"""Series that are consistent: one patient, seen three times or more, changing as patients do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.longitudinal_parts.patients import Patient
from benchmarks.longitudinal_parts.visits import Lesion, Visit, scanned
from pytest_safegen import Scan
from safegen_detectors.longitudinal.inputs.pathologies import DAYS_PER_MONTH

Random = np.random.Generator
MakeVisits = Callable[[Random], Sequence[Visit]]

GLIOBLASTOMA = {"pathology": "glioblastoma"}


def consistent_series(patient: Patient, kind: str, random: Random) -> list[Scan]:
    """The scans of one consistent series."""
    return scans_of(patient, CONSISTENT[kind](random))


def scans_of(patient: Patient, visits: Sequence[Visit]) -> list[Scan]:
    """A scan a visit, sessions 01, 02 and so on."""
    return [scanned(patient, visit, number) for number, visit in enumerate(visits, start=1)]


def seen_again(visit: Visit, random: Random) -> Visit:
    """The visit with its own noise, bias, contrast and head position."""
    return replace(
        visit,
        turn=tuple(random.uniform(-4, 4, 3)),
        shift=tuple(random.uniform(-4, 4, 3)),
        noise_seed=int(random.integers(1 << 30)),
        bias=float(random.uniform(0, 0.1)),
        gain=float(random.uniform(0.93, 1.07)),
        gamma=float(random.uniform(0.95, 1.05)),
    )


def doubled(radius: float, *, days: float, doubling: float) -> float:
    """The radius after some days of exponential growth."""
    return float(radius * 2 ** (days / doubling / 3))


def growing(random: Random, *, months: Sequence[float] = (0, 2, 4)) -> list[Visit]:
    """An untreated glioblastoma that doubles as stated."""
    radius, doubling = float(random.uniform(6, 9)), float(random.uniform(40, 120))
    labels = {
        **GLIOBLASTOMA,
        "growth_model": "exponential",
        "doubling_days": f"{doubling:.1f}",
        "prompt": "growing glioblastoma, untreated",
    }
    radii = [doubled(radius, days=m * DAYS_PER_MONTH, doubling=doubling) for m in months]
    return [
        seen_again(Visit(month, (Lesion(r),), labels=labels), random)
        for month, r in zip(months, radii, strict=True)
    ]


def _stable(random: Random) -> list[Visit]:
    radius = float(random.uniform(4, 10))
    labels = {"pathology": "meningioma", "growth_model": "stable"}
    return [
        seen_again(Visit(float(month), (Lesion(radius),), labels=labels), random)
        for month in (0, 6, 12)
    ]


def _slow(random: Random) -> list[Visit]:
    """A low-grade glioma that widens by 2 to 8 mm a year; nothing is stated of its growth."""
    radius, speed = float(random.uniform(6, 10)), float(random.uniform(2, 8))
    return [
        seen_again(
            Visit(
                float(month),
                (Lesion(radius + speed * month / 24),),
                labels={"pathology": "low-grade glioma"},
            ),
            random,
        )
        for month in (0, 6, 12, 18)
    ]


def _mass_effect(random: Random) -> list[Visit]:
    """The tissue at the lesion's edge moves by 8 mm over the series."""
    first = float(random.uniform(7, 8))
    return [
        seen_again(Visit(float(m), (Lesion(r),), mass_effect=1.0, labels=GLIOBLASTOMA), random)
        for m, r in zip((0, 2, 4), (first, first + 4, first + 8), strict=True)
    ]


def _response(random: Random) -> list[Visit]:
    first = float(random.uniform(8, 14))
    labels = {**GLIOBLASTOMA, "treated": "radiochemotherapy"}
    return [
        seen_again(Visit(float(m), (Lesion(first * share),), labels=labels), random)
        for m, share in zip((0, 3, 6), (1.0, 0.75, 0.6), strict=True)
    ]


def _resection(random: Random) -> list[Visit]:
    first = float(random.uniform(8, 12))
    visits = [
        Visit(0.0, (Lesion(first),), labels={**GLIOBLASTOMA, "resected": "yes"}),
        Visit(1.0, (Lesion(0.01),), labels={**GLIOBLASTOMA, "resected": "yes"}),
        Visit(4.0, (Lesion(4.0),), labels={**GLIOBLASTOMA, "resected": "yes"}),
    ]
    return [seen_again(visit, random) for visit in visits]


def _atrophy(random: Random) -> list[Visit]:
    return [seen_again(Visit(12.0 * n, loss=0.02 * n), random) for n in range(3)]


def _acquisition(random: Random) -> list[Visit]:
    visits = [Visit(3.0 * n, (Lesion(7.0),), labels={"pathology": "meningioma"}) for n in range(3)]
    return [
        replace(
            seen_again(visit, random),
            noise=float(random.uniform(0.7, 1.6)),
            bias=float(random.uniform(0.1, 0.25)),
            gamma=float(random.uniform(0.85, 1.15)),
        )
        for visit in visits
    ]


def _resampled(random: Random) -> list[Visit]:
    grids = (None, (1.7, 1.7, 2.5), (2.4, 2.4, 2.4))
    return [replace(visit, grid=grid) for visit, grid in zip(growing(random), grids, strict=True)]


def _sclerosis(random: Random) -> list[Visit]:
    """One lesion shrinks, one is new at the second visit, one stays."""
    spread = random.uniform(-22, 22, (3, 3))
    away = [tuple(float(x) for x in place) for place in spread]
    sizes = ((4.5, 0.0, 4.0), (3.6, 4.0, 4.0), (3.2, 3.2, 4.1))
    return [
        seen_again(
            Visit(
                6.0 * number,
                tuple(
                    Lesion(size, place, shape)
                    for shape, (size, place) in enumerate(zip(row, away, strict=True))
                    if size
                ),
                mass_effect=0.0,
                labels={"pathology": "multiple sclerosis"},
            ),
            random,
        )
        for number, row in enumerate(sizes)
    ]


def _shared(random: Random) -> list[Visit]:
    """A generator that paints the lesion into one background, and says so."""
    visits = growing(random)
    labels = {**visits[0].labels, "background": "shared"}
    return [
        replace(visits[0], months=visit.months, lesions=visit.lesions, mass_effect=0, labels=labels)
        for visit in visits
    ]


def _gompertz(random: Random) -> list[Visit]:
    """Gompertz growth that is slowing down, as stated."""
    first, most, decay = 1.5, 40.0, float(random.uniform(0.004, 0.010))
    months = (0.0, 2.0, 4.0, 8.0)
    labels = {
        **GLIOBLASTOMA,
        "growth_model": "gompertz",
        "carrying_capacity_ml": f"{most:g}",
        "gompertz_decay_per_day": f"{decay:.5f}",
    }
    visits = []
    for month in months:
        volume = most * np.exp(np.log(first / most) * np.exp(-decay * month * DAYS_PER_MONTH))
        radius = float(np.cbrt(volume * 1000 * 3 / 4 / np.pi))
        visits.append(seen_again(Visit(month, (Lesion(radius),), labels=labels), random))
    return visits


CONSISTENT: Mapping[str, MakeVisits] = {
    "stable lesion": _stable,
    "stated exponential growth": growing,
    "stated Gompertz growth": _gompertz,
    "slow growth, nothing stated": _slow,
    "growth with 8 mm of mass effect": _mass_effect,
    "treatment response": _response,
    "resection": _resection,
    "atrophy of 2 % a year": _atrophy,
    "other noise, bias and contrast": _acquisition,
    "follow-ups on other grids": _resampled,
    "lesions of multiple sclerosis": _sclerosis,
    "declared shared background": _shared,
}
"""Name to a function that makes the visits; none of them should fail."""
