"""Match every block of a scan to each reference person, at the best place within reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from safegen_detectors.memorization.features.descriptors import shifts
from safegen_detectors.memorization.features.lattice import REACH, Lattice
from safegen_detectors.memorization.features.pattern import NO_DISPLACEMENT, Displacement, Volume
from safegen_detectors.memorization.search.index import Index
from safegen_detectors.memorization.search.poses import Pose, poses_to_try
from safegen_detectors.threads import side_by_side

NUMBERS_AT_ONCE = 2**22  # cosines held at once: 16 MiB stay in a processor's cache and heap
NUMBERS_ON_ACCELERATOR = 2**28
MOST_BLOCKS_AT_ONCE = 128
TURNED_REACH = 1  # where all 48 poses are tried, the turned ones look less far


@dataclass(frozen=True, slots=True)
class Likeness:
    """One way of laying a scan over the reference.

    `cosines` (persons, blocks): the best within reach, of the inverted pattern if `inverted`;
    `far` says that it was the full reach. Of a crop that was brought back by a `displacement` in
    voxels, `heights` (persons,) are the correlations that told where to.
    """

    cosines: torch.Tensor
    pose: Pose
    inverted: bool
    far: bool
    displacement: Displacement = NO_DISPLACEMENT
    heights: torch.Tensor | None = None


def likenesses(
    volume: Volume, index: Index, *, poses: Sequence[Pose] | None = None
) -> list[Likeness]:
    """A likeness of an identity pattern for each pose, as it is and with inverted contrast.

    Without `poses`, in all that a scan may lie in.
    """
    lattice = index.describer.lattice
    poses = poses or poses_to_try(index.template, lattice)
    looks = [PoseSearch.of(pose, lattice, far=pose.plain or len(poses) <= 2) for pose in poses]
    shape = (len(looks), 2, *index.descriptors.shape[:2])
    best = torch.empty(shape, device=index.device)

    def search(part: slice) -> None:
        own = index.describer.describe(volume, reach=REACH, blocks=part)
        for number, look in enumerate(looks):
            rows = look.rows[part]
            low, high = look.extremes(own, index.descriptors[rows])
            best[number, 0, rows], best[number, 1, rows] = high, -low

    parts = _block_slices(index, len(shifts(REACH)))
    if index.device.type == "cpu":
        side_by_side(search, parts)
    else:  # one part fills the device
        for part in parts:
            search(part)
    return [
        Likeness(cosines_by_person(best[n, inverted].T, index), look.pose, bool(inverted), look.far)
        for n, look in enumerate(looks)
        for inverted in (0, 1)
    ]


def without_persons(found: Sequence[Likeness], persons: Sequence[int]) -> list[Likeness]:
    """The likenesses without the rows of some persons; negative numbers are nobody."""
    count = len(found[0].cosines)
    kept = torch.tensor([n for n in range(count) if n not in persons])
    return [replace(one, cosines=one.cosines[kept.to(one.cosines.device)]) for one in found]


@dataclass(frozen=True, slots=True)
class PoseSearch:
    """A pose, worked out for one lattice.

    A mirrored or turned block has the same cosine coefficients in another order, some with the
    other sign, so a scan is described only once. `rows`: which block of the reference each block
    is compared with; `places`: which shifts are looked at; `columns` and `signs`: the frequencies.
    """

    pose: Pose
    far: bool
    rows: torch.Tensor
    places: torch.Tensor
    columns: torch.Tensor
    signs: torch.Tensor

    @staticmethod
    def of(pose: Pose, lattice: Lattice, *, far: bool) -> PoseSearch:
        """The look that a pose means; without `far` only the nearest shifts are looked at."""
        near = np.abs(shifts(REACH)).max(1) <= TURNED_REACH
        places = np.arange(len(near)) if far else np.flatnonzero(near)
        columns, signs = pose.frequencies()
        rows = np.argsort(pose.blocks(lattice))
        found = [torch.from_numpy(array) for array in (rows, places, columns, signs)]
        return PoseSearch(pose, far, *found)

    def laid(self, own: torch.Tensor) -> torch.Tensor:
        """The descriptors (blocks, shifts, c) of a scan as they are in this pose."""
        near = own if self.far else own[:, self.places]
        return near if self.pose.plain else near[..., self.columns] * self.signs.to(own.device)

    def extremes(
        self, own: torch.Tensor, theirs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The lowest and the highest cosine (blocks, scans) over all shifts."""
        low, high = torch.aminmax(torch.bmm(theirs, self.laid(own).transpose(1, 2)), dim=2)
        return low, high


def _block_slices(index: Index, places: int) -> list[slice]:
    """The blocks in parts that memory holds well."""
    blocks, scans = index.descriptors.shape[:2]
    on_cpu = index.device.type == "cpu"
    room = (NUMBERS_AT_ONCE if on_cpu else NUMBERS_ON_ACCELERATOR) // (scans * places)
    step = max(1, min(room, MOST_BLOCKS_AT_ONCE) if on_cpu else room)
    return [slice(start, start + step) for start in range(0, blocks, step)]


def cosines_by_person(scans: torch.Tensor, index: Index) -> torch.Tensor:
    """The cosines (persons, blocks) of each person's scan that is most like it somewhere.

    One scan speaks for a person of several: the best of them at each block would be a match that
    no scan is, and who has more scans would seem nearer to everybody.
    """
    if len(index.names) == len(scans):
        return scans
    own = [np.flatnonzero(index.persons == person) for person in range(len(index.names))]
    return torch.stack([_best_scan(scans[torch.from_numpy(rows)], index) for rows in own])


def _best_scan(scans: torch.Tensor, index: Index) -> torch.Tensor:
    """Of cosines (scans, blocks), those of the scan with the highest mean around any block."""
    if len(scans) == 1:
        return scans[0]
    return scans[(scans @ index.means[0].T).amax(1).argmax()]


def typical_likeness(found: Sequence[Likeness]) -> float:
    """How like the nearest person a usual block is, in the pose where that is highest."""
    return max(float(one.cosines.amax(0).median()) for one in found)
