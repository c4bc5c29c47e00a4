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
TURNED_REACH = 1  # where all 48 poses are tried, the rotated ones are searched less far


@dataclass(frozen=True, slots=True)
class Likeness:
    """One way of laying a scan over the reference.

    `cosines` (persons, blocks): the best within reach, of the inverted pattern if `inverted`;
    `full_reach` is False where only nearby shifts were searched. Of a crop that was moved back by a
    `displacement` in voxels, `peaks` (persons,) are the correlations that gave it.
    """

    cosines: torch.Tensor
    pose: Pose
    inverted: bool
    full_reach: bool
    displacement: Displacement = NO_DISPLACEMENT
    peaks: torch.Tensor | None = None


def likenesses(
    pattern: Volume, index: Index, *, poses: Sequence[Pose] | None = None
) -> list[Likeness]:
    """A likeness of an identity pattern for each pose, as it is and with inverted contrast.

    Without `poses`, all poses are tried that a scan may lie in.
    """
    lattice = index.describer.lattice
    poses = poses or poses_to_try(index.template, lattice)
    searches = [
        PoseSearch.of(pose, lattice, full_reach=pose.is_identity or len(poses) <= 2)
        for pose in poses
    ]
    shape = (len(searches), 2, *index.descriptors.shape[:2])
    best = torch.empty(shape, device=index.device)

    def match_blocks(part: slice) -> None:
        scan = index.describer.describe(pattern, reach=REACH, blocks=part)
        for number, search in enumerate(searches):
            rows = search.rows[part]
            low, high = search.extremes(scan, index.descriptors[rows])
            best[number, 0, rows], best[number, 1, rows] = high, -low

    parts = _block_slices(index, len(shifts(REACH)))
    if index.device.type == "cpu":
        side_by_side(match_blocks, parts)
    else:  # one part fills the device
        for part in parts:
            match_blocks(part)
    return [
        Likeness(
            cosines_by_person(best[n, inverted].T, index),
            search.pose,
            bool(inverted),
            search.full_reach,
        )
        for n, search in enumerate(searches)
        for inverted in (0, 1)
    ]


def without_persons(likenesses: Sequence[Likeness], persons: Sequence[int]) -> list[Likeness]:
    """The likenesses without the rows of some persons; negative numbers are nobody."""
    count = len(likenesses[0].cosines)
    remaining = torch.tensor([n for n in range(count) if n not in persons])
    return [
        replace(one, cosines=one.cosines[remaining.to(one.cosines.device)]) for one in likenesses
    ]


@dataclass(frozen=True, slots=True)
class PoseSearch:
    """A pose, worked out for one lattice.

    A mirrored or rotated block has the same cosine coefficients in another order, some with the
    other sign, so a scan is described only once. `rows`: which block of the reference each block
    is compared with; `shift_numbers`: which shifts are searched; `columns` and `signs`: the
    frequencies.
    """

    pose: Pose
    full_reach: bool
    rows: torch.Tensor
    shift_numbers: torch.Tensor
    columns: torch.Tensor
    signs: torch.Tensor

    @staticmethod
    def of(pose: Pose, lattice: Lattice, *, full_reach: bool) -> PoseSearch:
        """The search in one pose; without `full_reach` only the nearest shifts are searched."""
        near = np.abs(shifts(REACH)).max(1) <= TURNED_REACH
        numbers = np.arange(len(near)) if full_reach else np.flatnonzero(near)
        columns, signs = pose.frequencies()
        rows = np.argsort(pose.block_numbers(lattice))
        tensors = [torch.from_numpy(array) for array in (rows, numbers, columns, signs)]
        return PoseSearch(pose, full_reach, *tensors)

    def in_pose(self, scan: torch.Tensor) -> torch.Tensor:
        """The descriptors (blocks, shifts, c) of a scan as they are in this pose."""
        near = scan if self.full_reach else scan[:, self.shift_numbers]
        if self.pose.is_identity:
            return near
        return near[..., self.columns] * self.signs.to(scan.device)

    def extremes(
        self, scan: torch.Tensor, reference: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The lowest and the highest cosine (blocks, scans) over all shifts."""
        low, high = torch.aminmax(torch.bmm(reference, self.in_pose(scan).transpose(1, 2)), dim=2)
        return low, high


def _block_slices(index: Index, shift_count: int) -> list[slice]:
    """The blocks in parts whose cosines fit in memory."""
    blocks, scans = index.descriptors.shape[:2]
    on_cpu = index.device.type == "cpu"
    room = (NUMBERS_AT_ONCE if on_cpu else NUMBERS_ON_ACCELERATOR) // (scans * shift_count)
    step = max(1, min(room, MOST_BLOCKS_AT_ONCE) if on_cpu else room)
    return [slice(start, start + step) for start in range(0, blocks, step)]


def cosines_by_person(scans: torch.Tensor, index: Index) -> torch.Tensor:
    """The cosines (persons, blocks) of each person's scan that is most like it somewhere.

    One scan represents a person of several: the best of them at each block would be a match with
    no scan at all, and a person with more scans would seem nearer to everybody.
    """
    if len(index.names) == len(scans):
        return scans
    rows = [np.flatnonzero(index.persons == person) for person in range(len(index.names))]
    return torch.stack([_best_scan(scans[torch.from_numpy(own)], index) for own in rows])


def _best_scan(scans: torch.Tensor, index: Index) -> torch.Tensor:
    """Of cosines (scans, blocks), those of the scan with the highest mean around any block."""
    if len(scans) == 1:
        return scans[0]
    return scans[(scans @ index.means[0].T).amax(1).argmax()]


def typical_likeness(likenesses: Sequence[Likeness]) -> float:
    """The median cosine of blocks with their nearest person, in the pose where that is highest."""
    return max(float(one.cosines.amax(0).median()) for one in likenesses)
