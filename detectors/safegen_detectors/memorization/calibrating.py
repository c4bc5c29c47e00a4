"""What real patients who are not in the index score, as they are and softened as generators do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pytest_safegen.api import ScanTarget
from safegen_detectors.memorization.anywhere import compared
from safegen_detectors.memorization.evidence import standing, strengths_of
from safegen_detectors.memorization.index import Index
from safegen_detectors.memorization.patterns import pattern
from safegen_detectors.memorization.search import Likeness
from safegen_detectors.memorization.stances import stance_of

MOST_HELD_OUT = 200
SOFTENINGS = (0.0, 1.0)  # Gaussians in voxels; generated scans are smoother than real ones
KIN = 0.8  # mean standard deviations above others; twins of 80 patients had 1.1, others 0.4
FEWEST_FOR_KIN = 12  # persons, an engineering default: four phantoms were all taken for kin
HIGH = 0.9  # the share of unseen patients whose strength is the unit of the score


@dataclass(frozen=True, slots=True)
class Unseen:
    """A real scan, judged as if its own person were not in the index.

    `strengths` are the highest over the softenings; `typical` is the median over blocks of the
    likeness to whoever is nearest, of the scan as it is; `kin` are persons so like this one
    everywhere that they are the same under another name, or a twin.
    """

    subject: str
    person: int
    strengths: tuple[float, ...]
    typical: float
    kin: tuple[int, ...] = ()


def unseen(target: ScanTarget, index: Index, *, without: Sequence[int] = ()) -> Unseen:
    """Scores of a real scan by the code that judges synthetic ones, some persons left out.

    The first of those left out is the scan's own.
    """
    prepared = stance_of(target, index.template).prepared
    others = [compared(pattern(prepared, softened=s), index, without=without) for s in SOFTENINGS]
    rows = [strengths_of(found, index) for found in others]
    return Unseen(
        target.ref.subject,
        without[0] if without else -1,
        tuple(max(column) for column in zip(*rows, strict=True)),
        typical_of(others[0]),
        kin_of(others[0], without, index),
    )


def kin_of(found: Sequence[Likeness], without: Sequence[int], index: Index) -> tuple[int, ...]:
    """Who is like the scan everywhere, as it is, far more than people are like each other.

    Nobody where there are few others: how much they differ cannot be told from them. Crops are
    not asked: strangers' crops can be alike everywhere, and one person's can show other places.
    """
    if index.template.options.align == "centre" or len(index.names) < FEWEST_FOR_KIN:
        return ()
    kept = [person for person in range(len(index.names)) if person not in without]
    everywhere = standing(found[0].cosines).mean(1)
    return tuple(kept[n] for n in torch.nonzero(everywhere > KIN).flatten().tolist())


def typical_of(found: Sequence[Likeness]) -> float:
    """How like the nearest person a usual block is, in the pose where that is highest."""
    return max(float(one.cosines.amax(0).median()) for one in found)


def scale_from(apart: Sequence[Unseen]) -> tuple[float, ...]:
    """The unit of each strength: what a tenth of unseen real patients exceeds."""
    table = np.array([one.strengths for one in apart])
    return tuple(float(x) for x in np.maximum(np.quantile(table, HIGH, axis=0), 1e-3))


def values_of(apart: Sequence[Unseen], scale: Sequence[float] | None = None) -> dict[str, float]:
    """The score of each subject, of its highest scan; on a scale that it had no part in."""
    values: dict[str, float] = {}
    for one in apart:
        others = [other for other in apart if other.subject != one.subject]
        unit = scale or scale_from(others or apart)
        value = max(a / b for a, b in zip(one.strengths, unit, strict=True))
        values[one.subject] = max(value, values.get(one.subject, value))
    return values
