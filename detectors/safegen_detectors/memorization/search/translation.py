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

    `displacement` in voxels along the crop's own axes brings it back; `heights` (persons,) are the
    highest correlations of all persons, each at his or her own best place.
    """

    pose: Pose
    displacement: Displacement
    heights: torch.Tensor


def all_likenesses(volume: Volume, index: Index, *, without: Sequence[int] = ()) -> list[Likeness]:
    """All likenesses of an identity pattern: as it lies and, of a crop, where it fits one person.

    Persons in `without` have no part in it; negative numbers are nobody.
    """
    found = without_persons(likenesses(volume, index), without)
    fit = translation_search(volume, index, without=without)
    if fit is None:
        return found
    again = displace(volume, fit.displacement)
    moved = without_persons(likenesses(again, index, poses=[fit.pose]), without)
    brought = [replace(one, displacement=fit.displacement, heights=fit.heights) for one in moved]
    return [*found, *brought]


def translation_search(
    volume: Volume, index: Index, *, without: Sequence[int] = ()
) -> BestTranslation | None:
    """The place of the highest correlation with anybody; None where bodies are registered."""
    if index.spectra is None:
        return None
    poses = poses_to_try(index.template, index.describer.lattice)
    spectra = index.spectra
    highest = torch.stack(
        side_by_side(lambda pose: peak_correlations(pose.laid(volume), spectra), poses)
    )
    kept = [person for person in range(len(index.names)) if person not in without]
    own = [torch.from_numpy(np.flatnonzero(index.persons == person)) for person in kept]
    heights = torch.stack([highest[:, scans].amax(1) for scans in own], 1)
    number, person = divmod(int(heights.argmax()), len(kept))
    pose, scans = poses[number], own[person]
    place = _best_displacement(pose, volume, spectra[scans.to(index.device)])
    return BestTranslation(pose, place, heights.amax(0))


def _best_displacement(pose: Pose, volume: Volume, spectra: torch.Tensor) -> Displacement:
    """The displacement of the highest correlation with any spectrum, along the axes of the crop."""
    laid = pose.laid(volume)
    found = correlations(laid, spectra).abs().amax(0).cpu().numpy()
    place = np.unravel_index(int(found.argmax()), found.shape)
    steps = displacements(laid.shape)
    return pose.before(np.array([axis[n] for axis, n in zip(steps, place, strict=True)]))
