"""Every patient and scan of the demonstration, from a seed and a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from demo_data.brain import Image, acquire, head_position, make_anatomy, moved
from demo_data.lesions import DAYS_PER_MONTH, place_lesion
from demo_data.template import load_template


class Cohort(IntEnum):
    """The random stream that a patient's number counts in: no two cohorts share a patient."""

    REFERENCE = 1
    RELEASE = 2
    FAULT = 3


@dataclass(frozen=True, slots=True)
class Patient:
    """Who is scanned; the same patient always looks the same."""

    seed: int
    cohort: Cohort
    number: int

    def rng(self) -> np.random.Generator:
        """The patient's own random numbers, from the start."""
        return np.random.default_rng([self.seed, self.cohort, self.number])


def scan_of(patient: Patient) -> Image:
    """One scan of a healthy patient."""
    rng = patient.rng()
    anatomy = make_anatomy(load_template(), rng)
    return acquire(anatomy, position=head_position(rng), rng=rng)


def series_of(
    patient: Patient, *, months: Sequence[float], doubling_days: float
) -> tuple[Image, ...]:
    """Scans of one patient over time, with a lesion that doubles its volume at a given pace."""
    rng = patient.rng()
    anatomy = make_anatomy(load_template(), rng)
    first = head_position(rng)
    lesion = place_lesion(anatomy.mask, anatomy.affine, rng=rng)
    return tuple(
        acquire(
            anatomy,
            position=moved(first, rng),
            rng=rng,
            lesion=lesion.grown(days=month * DAYS_PER_MONTH, doubling_days=doubling_days),
        )
        for month in months
    )
