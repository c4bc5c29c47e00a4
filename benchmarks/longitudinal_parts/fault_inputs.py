"""What faults are made of, and how they are written into a follow-up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.longitudinal_parts.consistent import growing, scans_of
from benchmarks.longitudinal_parts.patients import Patient
from pytest_safegen import Scan

Volume = NDArray[np.float32]
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class FaultInputs:
    """What a fault is made of: a patient, another one, and a random generator."""

    patient: Patient
    other: Patient
    random: Random


Fault = Callable[[FaultInputs], list[Scan]]


def pair(inputs: FaultInputs) -> list[Scan]:
    """Two visits of the patient, three months apart, with a growing lesion."""
    return scans_of(inputs.patient, growing(inputs.random, months=(0, 3)))


def stored(scan: Scan, values: NDArray[np.float64] | Volume) -> Scan:
    """The scan with other values inside the brain, as whole numbers."""
    whole = np.clip(np.round(values), 1, 255)
    return replace(scan, voxels=np.where(scan.voxels > 0, whole, 0).astype(np.float32))


def with_follow_up(scans: list[Scan], change: Callable[[Scan], Scan]) -> list[Scan]:
    """The scans with the last of them changed."""
    return [*scans[:-1], change(scans[-1])]
