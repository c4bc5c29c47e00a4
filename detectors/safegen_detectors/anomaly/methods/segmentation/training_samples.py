"""What the network learns from: crops of corrupted and of untouched scans.

Crops are quantized to 8 bits and share one block of memory, so that thousands fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_safegen.api import Family
from safegen_detectors.anomaly.methods.segmentation.fault_type import FaultExample, descriptor
from safegen_detectors.anomaly.methods.segmentation.network import inputs_of
from safegen_detectors.anomaly.methods.segmentation.synthetic_faults import (
    CorruptedSample,
    corrupt,
    expected_without_patient,
    random_other_sample,
    with_varied_contrast,
)
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample
from safegen_detectors.threads import give_back_memory

CROP = 40  # voxels a side
QUANTIZATION_STEPS = 20.0


@dataclass(frozen=True, slots=True)
class Crop:
    """One crop: inputs int8 (c, n, n, n) in steps of 1/20, truth and region bool (n, n, n)."""

    inputs: torch.Tensor
    truth: torch.Tensor
    region: torch.Tensor

    @property
    def parts(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Inputs, truth and region."""
        return self.inputs, self.truth, self.region


@dataclass(frozen=True, slots=True)
class Batch:
    """Some crops: inputs float32 (b, c, n, n, n), truth and region bool (b, n, n, n)."""

    inputs: torch.Tensor
    truth: torch.Tensor
    region: torch.Tensor

    def to(self, device: str) -> Batch:
        """The batch on a device."""
        return Batch(*(part.to(device) for part in (self.inputs, self.truth, self.region)))


@dataclass(frozen=True, slots=True)
class UntouchedScan:
    """All of an untouched scan: inputs int8 (c, i, j, k), region bool (i, j, k)."""

    inputs: torch.Tensor
    region: torch.Tensor

    def crop(self, centre: NDArray[np.int64], truth: torch.Tensor | None = None) -> Crop:
        """The crop about a voxel (3,), or as near as the scan goes; nothing is at fault without
        truth (i, j, k)."""
        part = _crop_slices(centre, self.region.shape)
        faulty = torch.zeros_like(self.region) if truth is None else truth
        return Crop(
            _zero_padded(self.inputs[(slice(None), *part)]),
            _zero_padded(faulty[part]),
            _zero_padded(self.region[part]),
        )


class CropBuffer:
    """Room for some crops in one piece of memory.

    Crops allocated one by one between short-lived maps would fragment the memory, and a fit would
    take twice as much.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._used = 0
        self._memory: Crop | None = None

    def put(self, crop: Crop) -> Crop:
        """The crop, copied into the buffer; there must be room."""
        memory = self._memory or self._made_for(crop)
        slot = Crop(*(part[self._used] for part in memory.parts))
        for place, part in zip(slot.parts, crop.parts, strict=True):
            place.copy_(part)
        self._used += 1
        return slot

    def _made_for(self, crop: Crop) -> Crop:
        self._memory = Crop(*(part.new_empty((self._room, *part.shape)) for part in crop.parts))
        return self._memory


def quantized(inputs: torch.Tensor) -> torch.Tensor:
    """Inputs in a quarter of the memory, int8."""
    return (inputs * QUANTIZATION_STEPS).round().clamp(-127, 127).to(torch.int8)


def dequantized(inputs: torch.Tensor) -> torch.Tensor:
    """Compact inputs as float32."""
    return inputs.float() / QUANTIZATION_STEPS


def batch_of(crops: Sequence[Crop], random: torch.Generator) -> Batch:
    """The crops, each mirrored at random along each axis, which multiplies them by eight."""
    turned = [_mirrored(crop, random) for crop in crops]
    return Batch(
        torch.stack([dequantized(crop.inputs) for crop in turned]),
        torch.stack([crop.truth for crop in turned]),
        torch.stack([crop.region for crop in turned]),
    )


def _mirrored(crop: Crop, random: torch.Generator) -> Crop:
    axes = [axis for axis in (-3, -2, -1) if float(torch.rand((), generator=random)) < 0.5]
    return Crop(crop.inputs.flip(axes), crop.truth.flip(axes), crop.region.flip(axes))


def _crop_slices(centre: NDArray[np.int64], shape: Sequence[int]) -> tuple[slice, ...]:
    low = [
        int(np.clip(c - CROP // 2, 0, max(n - CROP, 0))) for c, n in zip(centre, shape, strict=True)
    ]
    return tuple(slice(start, start + CROP) for start in low)


def _zero_padded(part: torch.Tensor) -> torch.Tensor:
    """A copy with sides of CROP voxels, zeros behind."""
    i, j, k = part.shape[-3:]
    full = torch.zeros((*part.shape[:-3], CROP, CROP, CROP), dtype=part.dtype)
    full[..., :i, :j, :k] = part
    return full


CROPS_AT_FAULTS, CROPS_ANYWHERE = 3, 1


@dataclass(frozen=True, slots=True)
class TrainingSamples:
    """The crops to learn outlines from, scans in which nothing was planted (every second with
    another contrast), and examples of families to learn fault types from."""

    crops: list[Crop]
    untouched: list[UntouchedScan]
    examples: list[FaultExample]


def training_samples(
    samples: Sequence[Sample],
    reference: ReferenceStatistics,
    families: Sequence[Family],
    *,
    volumes: int,
    seed: int,
) -> TrainingSamples:
    """Crops of about `volumes` corrupted volumes, as many from each sample."""
    each = max(1, round(volumes / len(samples)))
    training_set = TrainingSamples([], [], [])
    buffer = CropBuffer(len(samples) * each * (CROPS_AT_FAULTS + CROPS_ANYWHERE))
    for index, sample in enumerate(samples):
        random = np.random.default_rng([seed, index])
        expected = expected_without_patient(sample, reference)
        plain = sample if index % 2 else _other_scanner(sample, random)
        training_set.untouched.append(
            _untouched_scan(NormalizedSample(plain, reference, expectation=expected))
        )
        for _ in range(each):
            donor = random_other_sample(samples, index, random)
            corrupted = corrupt(sample, donor, expected, reference, families, random=random)
            training_set.crops.extend(buffer.put(crop) for crop in _crops_of(corrupted, random))
            training_set.examples.extend(_fault_examples(corrupted))
        give_back_memory()
    return training_set


def _other_scanner(sample: Sample, random: np.random.Generator) -> Sample:
    return replace(
        sample, own=with_varied_contrast(np.asarray(sample.own, dtype=np.float32), random)
    )


def _untouched_scan(normalized: NormalizedSample) -> UntouchedScan:
    return UntouchedScan(quantized(inputs_of(normalized)), normalized.judged)


def _fault_examples(corrupted: CorruptedSample) -> Iterator[FaultExample]:
    for family, mask in corrupted.faults:
        yield FaultExample(family.group, descriptor(corrupted.normalized, torch.tensor(mask)))


def _crops_of(corrupted: CorruptedSample, random: np.random.Generator) -> Iterator[Crop]:
    whole, mask = _untouched_scan(corrupted.normalized), corrupted.truth
    truth = torch.tensor(mask)
    faulty, body = np.argwhere(mask), np.argwhere(corrupted.normalized.sample.body)
    for number in range(CROPS_AT_FAULTS + CROPS_ANYWHERE):
        places = faulty if len(faulty) and number < CROPS_AT_FAULTS else body
        centre = places[random.integers(len(places))] + random.integers(-CROP // 4, CROP // 4, 3)
        yield whole.crop(centre, truth)
