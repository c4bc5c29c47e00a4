"""Samples corrupted with synthetic faults, of which the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.api import FAMILIES, Canvas, Family
from safegen_detectors.anomaly.reference import grids
from safegen_detectors.anomaly.reference.normalized import (
    ExpectedFeatures,
    NormalizedSample,
    leave_patient_out,
)
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample

Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]

MOST_FAULTS = 3
UNTOUCHED_SHARE = 0.2  # share of volumes
VARIED_SHARE = 0.7
WEAKEST, STRONGEST = 0.25, 1.0


@dataclass(frozen=True, slots=True)
class CorruptedSample:
    """A sample with planted faults: normalized, and each family with its mask (i, j, k)."""

    normalized: NormalizedSample
    faults: tuple[tuple[Family, Mask], ...]

    @property
    def truth(self) -> Mask:
        """Bool (i, j, k): wherever a fault is."""
        nowhere = np.zeros(self.normalized.sample.own.shape, dtype=bool)
        whole = np.logical_or.reduce([nowhere, *(mask for _, mask in self.faults)])
        return np.asarray(whole, dtype=bool)


def families_for(modality: str, *, without: Sequence[str] = ()) -> list[Family]:
    """The local families of a modality, without those whose name or group is listed."""
    return [
        family
        for family in FAMILIES.values()
        if family.local and modality in family.modalities
        if family.name not in without and family.group not in without
    ]


def corrupt(
    sample: Sample,
    donor: Sample,
    expected: ExpectedFeatures,
    reference: ReferenceStatistics,
    families: Sequence[Family],
    *,
    random: np.random.Generator,
) -> CorruptedSample:
    """The sample, perhaps with another contrast, with one to three faults or none."""
    voxels = np.asarray(sample.own, dtype=np.float32)
    if random.random() < VARIED_SHARE:
        voxels = with_varied_contrast(voxels, random)
    faults: list[tuple[Family, Mask]] = []
    if random.random() >= UNTOUCHED_SHARE:
        foreign = resampled_donor(donor, sample)
        for _ in range(random.integers(1, MOST_FAULTS + 1)):
            family = families[int(random.integers(len(families)))]
            canvas = Canvas(voxels, sample.body, (sample.spacing,) * 3, foreign)
            planted = family.plant(canvas, random.uniform(WEAKEST, STRONGEST), random)
            if planted.mask is not None:
                voxels = planted.voxels
                faults.append((family, planted.mask))
    return CorruptedSample(
        NormalizedSample(replace(sample, own=voxels), reference, expectation=expected),
        tuple(faults),
    )


def with_varied_contrast(voxels: Volume, random: np.random.Generator) -> Volume:
    """The scan with another gamma, gain and a smooth bias, as honest scanners differ."""
    level = 0.8
    bright = level * (np.clip(voxels, 0, None) / level) ** random.uniform(0.85, 1.15)
    bias = np.ones(1, dtype=np.float32)
    for axis, n in enumerate(voxels.shape):
        along = np.linspace(-1, 1, n, dtype=np.float32) * np.float32(random.normal(0, 0.04))
        bias = bias + along.reshape([-1 if axis == a else 1 for a in range(3)])
    return np.asarray(bright * bias * random.uniform(0.95, 1.05), dtype=np.float32)


def resampled_donor(donor: Sample, sample: Sample) -> Volume:
    """Another patient's scan (i, j, k) on the sample's own grid."""
    matrix = np.linalg.inv(donor.to_template) @ sample.to_template
    volume = grids.tensor(donor.own, "cpu")[None]
    moved = grids.pull(volume, matrix, sample.own.shape, outside="zeros")
    return np.asarray(moved[0].numpy(), dtype=np.float32)


def expected_without_patient(sample: Sample, reference: ReferenceStatistics) -> ExpectedFeatures:
    """What scans of other patients lead to expect of a sample of the reference."""
    return leave_patient_out(NormalizedSample(sample, reference)).expected


def random_other_sample(
    samples: Sequence[Sample], index: int, random: np.random.Generator
) -> Sample:
    """A random sample, another than the one at the index if there is one."""
    step = 1 + int(random.integers(max(len(samples) - 1, 1)))
    return samples[(index + step) % len(samples)]
