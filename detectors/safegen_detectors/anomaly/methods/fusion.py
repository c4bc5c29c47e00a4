"""Bring the statistics of all methods to one scale, and fuse them into the score.

Each statistic is scaled by its own tail among real scans: how far they exceed its upper quartile.
A statistic with a heavy tail must therefore deviate more to count as much, and the score is the
largest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Statistics = Mapping[str, float]

UPPER = 75  # percentile from which the tail is measured
FEWEST_IN_TAIL = 3
LEAST_TAIL = 0.35  # of the robust standard deviation; an exponential tail of a normal has about 0.5
FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class Scales:
    """Upper quartile and mean excess above it of the logarithm of each branch."""

    branches: tuple[str, ...]
    start: Vector
    excess: Vector

    def departures(self, statistics: Statistics) -> Vector:
        """Each branch in units of its tail, 0 at the upper quartile of real scans, (b,)."""
        return np.asarray((logs_of(statistics, self.branches) - self.start) / self.excess)

    def as_facts(self) -> dict[str, list[str] | list[float]]:
        """For JSON."""
        return {
            "branches": list(self.branches),
            "start": self.start.tolist(),
            "excess": self.excess.tolist(),
        }


def scales_from(facts: Mapping[str, Sequence[float]]) -> Scales:
    """The scales that `as_facts` wrote."""
    names = tuple(str(name) for name in facts["branches"])
    return Scales(names, np.array(facts["start"]), np.array(facts["excess"]))


def scales_of(held_out: Sequence[Statistics]) -> Scales:
    """The scales of the branches, from real scans that the methods did not learn from."""
    branches = tuple(held_out[0])
    logs = np.array([logs_of(statistics, branches) for statistics in held_out])
    start = np.percentile(logs, UPPER, axis=0)
    count = max(FEWEST_IN_TAIL, round(len(logs) * (1 - UPPER / 100)))
    tail = np.sort(logs, axis=0)[-count:]
    excess = np.clip(tail - start, 0, None).mean(axis=0)
    middle = np.median(logs, axis=0)
    robust = 1.4826 * np.median(np.abs(logs - middle), axis=0)
    return Scales(branches, start, np.maximum(np.maximum(excess, LEAST_TAIL * robust), 1e-3))


def held_out_scores(
    held_out: Sequence[Statistics], patients: Sequence[str] | None = None
) -> list[float]:
    """The score of each real scan on scales that its patient had no part in.

    `patients` names the patient of each scan; without it, each scan is a patient's only one.
    """
    patient_names = patients or [str(n) for n in range(len(held_out))]
    return [
        float(
            scales_of(_other_patients(held_out, patient_names, patient))
            .departures(statistics)
            .max()
        )
        for statistics, patient in zip(held_out, patient_names, strict=True)
    ]


def _other_patients(
    held_out: Sequence[Statistics], patient_names: Sequence[str], patient: str
) -> list[Statistics]:
    others = [one for one, name in zip(held_out, patient_names, strict=True) if name != patient]
    return others or list(held_out)  # of one patient alone there is nothing else to compare with


def logs_of(statistics: Statistics, branches: Sequence[str]) -> Vector:
    """The logarithms of some branches, (b,)."""
    return np.log(np.maximum([statistics[name] for name in branches], FLOOR))


def joined_statistics(by_method: Mapping[str, Statistics]) -> dict[str, float]:
    """The statistics of all methods, as "<method>.<statistic>"."""
    return {
        f"{method}.{name}": value
        for method, statistics in by_method.items()
        for name, value in statistics.items()
    }
