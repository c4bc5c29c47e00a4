"""Translation search: where a crop fits one person best, at any displacement.

A crop has no outline to be registered by. Its pattern is cross-correlated with the patterns
that the reference descriptors stand for, in every pose and at all displacements. Where one
person stands out most, the crop is moved back and matched again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from safegen_detectors.memorization.features.pattern import (
    Displacement,
    Volume,
    correlations,
    displace,
    displacements,
    peak_correlations,
)
from safegen_detectors.memorization.search.index import Index
from safegen_detectors.memorization.search.match import Likeness, likenesses, without_persons
from safegen_detectors.memorization.search.poses import Pose, poses_to_try
from safegen_detectors.threads import side_by_side


@dataclass(frozen=True, slots=True)
class BestTranslation:
    """How a crop lies over the person whom it fits best.

    `displacement` in voxels along the crop's own axes moves it back; `peaks` (persons,) are the
    highest correlations of all persons, each at its own best place.
    """

    pose: Pose
    displacement: Displacement
    peaks: torch.Tensor


def all_likenesses(pattern: Volume, index: Index, *, without: Sequence[int] = ()) -> list[Likeness]:
    """All likenesses of an identity pattern: as it lies and, of a crop, where it fits one person.

    Persons in `without` are left out; negative numbers are nobody.
    """
    found = without_persons(likenesses(pattern, index), without)
    fit = translation_search(pattern, index, without=without)
    if fit is None:
        return found
    moved = displace(pattern, fit.displacement)
    matched = without_persons(likenesses(moved, index, poses=[fit.pose]), without)
    return [
        *found,
        *(replace(one, displacement=fit.displacement, peaks=fit.peaks) for one in matched),
    ]


def translation_search(
    pattern: Volume, index: Index, *, without: Sequence[int] = ()
) -> BestTranslation | None:
    """The place of the highest correlation with anybody; None where bodies are registered."""
    if index.spectra is None:
        return None
    poses = poses_to_try(index.template, index.describer.lattice)
    spectra = index.spectra
    highest = torch.stack(
        side_by_side(lambda pose: peak_correlations(pose.apply(pattern), spectra), poses)
    )
    remaining = [person for person in range(len(index.names)) if person not in without]
    own = [torch.from_numpy(np.flatnonzero(index.persons == person)) for person in remaining]
    peaks = torch.stack([highest[:, scans].amax(1) for scans in own], 1)
    number, person = divmod(int(peaks.argmax()), len(remaining))
    pose, scans = poses[number], own[person]
    displacement = _best_displacement(pose, pattern, spectra[scans.to(index.device)])
    return BestTranslation(pose, displacement, peaks.amax(0))


def _best_displacement(pose: Pose, pattern: Volume, spectra: torch.Tensor) -> Displacement:
    """The displacement of the highest correlation with any spectrum, along the axes of the crop."""
    posed = pose.apply(pattern)
    found = correlations(posed, spectra).abs().amax(0).cpu().numpy()
    place = np.unravel_index(int(found.argmax()), found.shape)
    steps = displacements(posed.shape)
    return pose.undo(np.array([axis[n] for axis, n in zip(steps, place, strict=True)]))
