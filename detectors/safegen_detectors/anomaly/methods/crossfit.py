"""Cross-fitting: every real scan is read by a model that never saw its patient.

The samples are split into folds by patient. Each fold's model learns from the other folds and
reads its own. New scans are read by the models of all folds, and the readings are averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from safegen_detectors.anomaly.methods.base import Learned, Reading, limit_of
from safegen_detectors.anomaly.reference.types import Arrays, Sample, arrays_below
from safegen_detectors.threads import give_back_memory, side_by_side


@dataclass(frozen=True, slots=True)
class Fold:
    """Indices of the samples to learn from, and of those of other patients to read."""

    train: tuple[int, ...]
    held_out: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What one fold learned, and the statistics of the samples that it held out, in order."""

    arrays: Arrays
    held_out: Sequence[Mapping[str, float]]
    facts: Mapping[str, Any] = field(default_factory=dict)


FitFold = Callable[[Sequence[Sample], Sequence[Sample], int], FoldResult]
"""Learns from the first samples and reads the second, with a seed of its own."""


def folds_of(patients: Sequence[str], *, count: int, seed: int) -> list[Fold]:
    """`count` folds of about equal size; each sample is held out once, never beside its patient.

    Raises:
        ValueError: fewer patients than folds, or fewer than two folds.
    """
    names = sorted(set(patients))
    if not 2 <= count <= len(names):
        raise ValueError(
            f"{count} folds need at least {max(count, 2)} patients and 2 folds;"
            f" there are {len(names)} patients"
        )
    shuffled = np.random.default_rng(seed).permutation(names)
    fold_of = {str(patient): n % count for n, patient in enumerate(shuffled)}
    place = np.array([fold_of[patient] for patient in patients])
    return [Fold(_indices(place != n), _indices(place == n)) for n in range(count)]


def cross_fit(samples: Sequence[Sample], fit_fold: FitFold, *, count: int, seed: int) -> Learned:
    """Fit every fold, side by side; arrays are "<fold>/<name>", facts listed under "folds"."""
    folds = folds_of([sample.patient for sample in samples], count=count, seed=seed)
    parts = side_by_side(
        lambda n: _fit_one(samples, folds[n], fit_fold, seed + n), range(len(folds))
    )
    give_back_memory()
    arrays = {f"{n}/{k}": array for n, part in enumerate(parts) for k, array in part.arrays.items()}
    read = {
        index: statistics
        for fold, part in zip(folds, parts, strict=True)
        for index, statistics in zip(fold.held_out, part.held_out, strict=True)
    }
    facts = {"folds": [dict(part.facts) for part in parts]}
    return Learned(arrays, facts, [read[index] for index in range(len(samples))])


def arrays_by_fold(learned: Learned) -> list[Arrays]:
    """The arrays of each fold, under the names that the fold gave them."""
    return [arrays_below(learned.arrays, str(n)) for n in range(len(learned.facts["folds"]))]


def outline_limit(learned: Learned) -> float:
    """From where on a map outlines: the limit of the "tops" that all folds held out."""
    return limit_of([top for fold in learned.facts["folds"] for top in fold["tops"]])


def mean_reading(readings: Sequence[Reading]) -> Reading:
    """The mean of the readings of one sample by several models."""
    statistics = {
        name: float(np.mean([reading.statistics[name] for reading in readings]))
        for name in readings[0].statistics
    }
    maps = [reading.map for reading in readings if reading.map is not None]
    return Reading(statistics, torch.stack(maps).mean(0) if maps else None)


def _fit_one(samples: Sequence[Sample], fold: Fold, fit_fold: FitFold, seed: int) -> FoldResult:
    train = [samples[index] for index in fold.train]
    return fit_fold(train, [samples[index] for index in fold.held_out], seed)


def _indices(chosen: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(index) for index in np.flatnonzero(chosen))
