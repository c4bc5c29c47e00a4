"""What the network learns from: crops of real scans with planted faults, and of untouched ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_safegen.api import FAMILIES, Canvas, Family
from safegen_detectors.anomaly import grids
from safegen_detectors.anomaly.model import Ground, Sample
from safegen_detectors.anomaly.segmentation.crops import CROP, Crop, Shelf, Whole, compact
from safegen_detectors.anomaly.segmentation.network import inputs_of
from safegen_detectors.anomaly.segmentation.resemblance import Example, descriptor
from safegen_detectors.anomaly.view import Expected, View, left_out
from safegen_detectors.threads import give_back_memory

Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]

CROPS_AT_FAULTS, CROPS_ANYWHERE = 3, 1
MOST_FAULTS = 3
UNTOUCHED = 0.2  # share of volumes
VARIED = 0.7
WEAKEST, STRONGEST = 0.25, 1.0


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A sample with planted faults: its view, and each family with where it is (i, j, k)."""

    view: View
    faults: tuple[tuple[Family, Mask], ...]

    @property
    def truth(self) -> Mask:
        """Bool (i, j, k): wherever a fault is."""
        nowhere = np.zeros(self.view.sample.own.shape, dtype=bool)
        whole = np.logical_or.reduce([nowhere, *(mask for _, mask in self.faults)])
        return np.asarray(whole, dtype=bool)


@dataclass(frozen=True, slots=True)
class Lessons:
    """The crops to learn outlines from, scans in which nothing was planted (every second with
    another contrast), and examples of families to learn resemblances from."""

    crops: list[Crop]
    untouched: list[Whole]
    examples: list[Example]


def families_for(modality: str, *, without: Sequence[str] = ()) -> list[Family]:
    """The local families of a modality, without those whose name or group is listed."""
    return [
        family
        for family in FAMILIES.values()
        if family.local and modality in family.modalities
        if family.name not in without and family.group not in without
    ]


def lessons_of(
    samples: Sequence[Sample],
    ground: Ground,
    families: Sequence[Family],
    *,
    volumes: int,
    seed: int,
) -> Lessons:
    """Lessons of about `volumes` spoiled volumes, from all samples alike."""
    each = max(1, round(volumes / len(samples)))
    lessons = Lessons([], [], [])
    shelf = Shelf(len(samples) * each * (CROPS_AT_FAULTS + CROPS_ANYWHERE))
    for index, sample in enumerate(samples):
        random = np.random.default_rng([seed, index])
        usual = usual_without(sample, ground)
        plain = sample if index % 2 else _as_elsewhere(sample, random)
        lessons.untouched.append(_whole(View(plain, ground, usual=usual)))
        for _ in range(each):
            donor = another(samples, index, random)
            spoiled = spoil(sample, donor, usual, ground, families, random=random)
            lessons.crops.extend(shelf.put(crop) for crop in _cut(spoiled, random))
            lessons.examples.extend(_examples(spoiled))
        give_back_memory()
    return lessons


def spoil(
    sample: Sample,
    donor: Sample,
    usual: Expected,
    ground: Ground,
    families: Sequence[Family],
    *,
    random: np.random.Generator,
) -> Spoiled:
    """The sample, perhaps with another contrast, with one to three faults or none."""
    voxels = np.asarray(sample.own, dtype=np.float32)
    if random.random() < VARIED:
        voxels = varied(voxels, random)
    faults: list[tuple[Family, Mask]] = []
    if random.random() >= UNTOUCHED:
        foreign = donated(donor, sample)
        for _ in range(random.integers(1, MOST_FAULTS + 1)):
            family = families[int(random.integers(len(families)))]
            canvas = Canvas(voxels, sample.body, (sample.spacing,) * 3, foreign)
            planted = family.plant(canvas, random.uniform(WEAKEST, STRONGEST), random)
            if planted.mask is not None:
                voxels = planted.voxels
                faults.append((family, planted.mask))
    return Spoiled(View(replace(sample, own=voxels), ground, usual=usual), tuple(faults))


def varied(voxels: Volume, random: np.random.Generator) -> Volume:
    """The scan with another gamma, gain and a smooth bias, as honest scanners differ."""
    level = 0.8
    bright = level * (np.clip(voxels, 0, None) / level) ** random.uniform(0.85, 1.15)
    bias = np.ones(1, dtype=np.float32)
    for axis, n in enumerate(voxels.shape):
        along = np.linspace(-1, 1, n, dtype=np.float32) * np.float32(random.normal(0, 0.04))
        bias = bias + along.reshape([-1 if axis == a else 1 for a in range(3)])
    return np.asarray(bright * bias * random.uniform(0.95, 1.05), dtype=np.float32)


def donated(donor: Sample, sample: Sample) -> Volume:
    """Another patient's scan (i, j, k) on the sample's own grid."""
    matrix = np.linalg.inv(donor.to_template) @ sample.to_template
    volume = grids.tensor(donor.own, "cpu")[None]
    moved = grids.pull(volume, matrix, sample.own.shape, outside="zeros")
    return np.asarray(moved[0].numpy(), dtype=np.float32)


def usual_without(sample: Sample, ground: Ground) -> Expected:
    """What is usual for a sample of the reference among scans of other patients."""
    return left_out(View(sample, ground)).expected


def another(samples: Sequence[Sample], index: int, random: np.random.Generator) -> Sample:
    """A random sample, another than the one at the index if there is one."""
    step = 1 + int(random.integers(max(len(samples) - 1, 1)))
    return samples[(index + step) % len(samples)]


def _as_elsewhere(sample: Sample, random: np.random.Generator) -> Sample:
    return replace(sample, own=varied(np.asarray(sample.own, dtype=np.float32), random))


def _whole(view: View) -> Whole:
    return Whole(compact(inputs_of(view)), view.judged)


def _examples(spoiled: Spoiled) -> Iterator[Example]:
    for family, mask in spoiled.faults:
        yield Example(family.group, descriptor(spoiled.view, torch.tensor(mask)))


def _cut(spoiled: Spoiled, random: np.random.Generator) -> Iterator[Crop]:
    whole, mask = _whole(spoiled.view), spoiled.truth
    truth = torch.tensor(mask)
    faulty, body = np.argwhere(mask), np.argwhere(spoiled.view.sample.body)
    for number in range(CROPS_AT_FAULTS + CROPS_ANYWHERE):
        places = faulty if len(faulty) and number < CROPS_AT_FAULTS else body
        centre = places[random.integers(len(places))] + random.integers(-CROP // 4, CROP // 4, 3)
        yield whole.crop(centre, truth)
