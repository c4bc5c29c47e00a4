"""Two scans whose verdict is known, judged in each run: a planted copy and an unseen patient.

Both are made of what the profile itself holds: the pattern that one patient's descriptors stand
for. Half of it in another patient's must be caught; all of it, with that patient taken out of the
index, must pass; the fit chooses a patient for whom it does. A profile, a device
or a library that does not search rightly fails one of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from pytest_safegen.api import Profile, limit_at
from safegen_detectors.memorization.anywhere import compared
from safegen_detectors.memorization.evidence import strongest
from safegen_detectors.memorization.index import Index
from safegen_detectors.memorization.patterns import Volume
from safegen_detectors.memorization.poses import Pose
from safegen_detectors.memorization.search import Likeness, of_persons
from safegen_detectors.memorization.words import FALSE_ALARMS


def problem_with(index: Index, profile: Profile) -> str:
    """What is wrong with this run, "" if both controls are judged rightly."""
    if not profile.calibration.size:
        return ""
    limit = limit_at(profile.calibration, FALSE_ALARMS).value
    scale, control = profile.facts["scale"], int(profile.facts["control"])
    person = int(index.persons[control])
    stranger = int(np.flatnonzero(index.persons != person)[0])
    pattern, host = _rebuilt(index, control), _rebuilt(index, stranger)
    planted = strongest(compared(_front_and_back(pattern, host, index), index), index, scale)
    rightly = planted.person in (person, int(index.persons[stranger]))
    if not (planted.value(scale) > limit and rightly):
        return "a planted copy was not recognised"
    if not unseen_value(index, control, scale) <= limit:
        return "a real patient who was taken out of the reference was taken for a copy"
    return ""


def unseen_value(index: Index, scan: int, scale: Sequence[float]) -> float:
    """The score of a reference scan as it lies, when its person is taken out of the index.

    By its descriptors: a pattern rebuilt from them lacks what they leave out, and looks like
    nobody, in a way that real scans do not.
    """
    others = index.without(int(index.persons[scan]))
    cosines = torch.einsum("bc,bsc->sb", index.descriptors[:, scan], others.descriptors)
    found = Likeness(of_persons(cosines, others), Pose(), inverted=False, far=True)
    return strongest([found], others, scale).value(scale)


def _rebuilt(index: Index, scan: int) -> Volume:
    shape = index.template.voxels.shape
    return index.describer.rebuilt(index.descriptors[:, scan : scan + 1], shape)[0].numpy()


def _front_and_back(one: Volume, other: Volume, index: Index) -> Volume:
    """The back of one patient and the front of another."""
    middle = round(float(index.describer.lattice.centres()[:, 1].mean()))
    mixed = np.array(one)
    mixed[:, middle:] = other[:, middle:]
    return mixed
