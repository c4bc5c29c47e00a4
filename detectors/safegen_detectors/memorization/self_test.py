"""The self-test of each run: a planted copy must fail, and an unseen patient must pass.

Both are made from the profile itself: the patterns that one patient's descriptors reveal.
Half of one patient in another must be caught; the whole patient, taken out of the index,
must pass (the fit chooses a patient for whom it does). A profile, a device or a library
that does not search correctly fails one of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from pytest_safegen.api import Profile, limit_at
from safegen_detectors.memorization.features.pattern import Volume
from safegen_detectors.memorization.match_kind import FALSE_ALARM_RATE
from safegen_detectors.memorization.search.index import Index
from safegen_detectors.memorization.search.margins import strongest_margins
from safegen_detectors.memorization.search.match import Likeness, cosines_by_person
from safegen_detectors.memorization.search.poses import Pose
from safegen_detectors.memorization.search.translation import all_likenesses


def run_self_test(index: Index, profile: Profile) -> str:
    """What is wrong with this run, "" if both scans are judged correctly."""
    if not profile.calibration.size:
        return ""
    limit = limit_at(profile.calibration, FALSE_ALARM_RATE).value
    scale, control = profile.facts["scale"], int(profile.facts["control"])
    person = int(index.persons[control])
    stranger = int(np.flatnonzero(index.persons != person)[0])
    pattern, host = _reconstruct(index, control), _reconstruct(index, stranger)
    planted = strongest_margins(
        all_likenesses(_mix_front_and_back(pattern, host, index), index), index, scale
    )
    named = planted.person in (person, int(index.persons[stranger]))
    if not (planted.value(scale) > limit and named):
        return "a planted copy was not recognised"
    if not held_out_score(index, control, scale) <= limit:
        return "a real patient who was taken out of the reference was mistaken for a copy"
    return ""


def held_out_score(index: Index, scan: int, scale: Sequence[float]) -> float:
    """The score of a reference scan, not moved, when its person is taken out of the index.

    By its descriptors: a pattern reconstructed from them lacks what they leave out, and so
    resembles nobody, unlike a real scan.
    """
    others = index.without(int(index.persons[scan]))
    cosines = torch.einsum("bc,bsc->sb", index.descriptors[:, scan], others.descriptors)
    likeness = Likeness(cosines_by_person(cosines, others), Pose(), inverted=False, full_reach=True)
    return strongest_margins([likeness], others, scale).value(scale)


def _reconstruct(index: Index, scan: int) -> Volume:
    shape = index.template.voxels.shape
    return index.describer.reconstruct(index.descriptors[:, scan : scan + 1], shape)[0].numpy()


def _mix_front_and_back(one: Volume, other: Volume, index: Index) -> Volume:
    """The back of one patient and the front of another."""
    middle = round(float(index.describer.lattice.centres()[:, 1].mean()))
    mixed = np.array(one)
    mixed[:, middle:] = other[:, middle:]
    return mixed
