"""A scan turned by right angles is stood up before it is aligned.

Where a body with an outline is aligned, its right angles are found by the outline, and only left
and right, which look alike, are both tried later. A crop has no outline: every pose is tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from pytest_safegen.api import NotJudged, Prepared, ScanTarget, Template, align, correlation, halved
from safegen_detectors.memorization.patterns import Volume
from safegen_detectors.memorization.poses import Pose, every_pose

COARSE_GRID = 32
BETTER_BY = 0.1  # in correlation of outline and tissue, before a scan is taken to be turned


@dataclass(frozen=True, slots=True)
class Stance:
    """A prepared scan with the right-angled turn that was undone before it was aligned."""

    prepared: Prepared
    turn: Pose


def stance_of(target: ScanTarget, template: Template) -> Stance:
    """The scan as it lies over the template once it is turned the right way up.

    Raises:
        NotJudged: the scan is not prepared.
    """
    if target.prepared is None:
        raise NotJudged(target.unprepared or "the scan is not prepared")
    if template.options.align != "affine" or target.own is None:
        return Stance(target.prepared, Pose())
    turn = _right_way_up(target.own, template)
    if turn.plain:
        return Stance(target.prepared, Pose())
    try:
        aligned = align(_turned(target.own, turn), template)
    except NotJudged:
        return Stance(target.prepared, Pose())
    if abs(aligned.similarity or 0.0) <= abs(target.prepared.similarity or 0.0):
        return Stance(target.prepared, Pose())
    undo = np.eye(4)
    undo[:3, :3] = turn.matrix().T
    return Stance(replace(aligned, to_scan=undo @ aligned.to_scan), turn)


def _right_way_up(own: Prepared, template: Template) -> Pose:
    """The turn that lays the outline best over the template's; none unless it is clearly better."""
    goal = _coarse(template.body, template.voxels)
    outline, voxels = _coarse(own.body.astype(np.float32), own.voxels)
    best, plain = Pose(), 0.0
    highest = -1.0
    for pose in _turns():
        likeness = _likeness(pose.laid(outline), pose.laid(voxels), *goal)
        if pose.plain:
            plain = likeness
        if likeness > highest:
            best, highest = pose, likeness
    return best if highest > plain + BETTER_BY else Pose()


def _turns() -> Iterator[Pose]:
    """The 24 turns by right angles."""
    return (pose for pose in every_pose() if not pose.mirrors)


def _likeness(outline: Volume, voxels: Volume, goal: Volume, goal_voxels: Volume) -> float:
    """How well outline and tissue fit, whatever the contrast: -1..2."""
    everywhere = np.ones(goal.shape, dtype=bool)
    shape = correlation(outline, goal, where=everywhere)
    inside = (goal > 0.5) & (outline > 0.5)
    return shape + abs(correlation(voxels, goal_voxels, where=inside))


def _coarse(body: Volume, voxels: Volume) -> tuple[Volume, Volume]:
    """Outline and tissue on a small cube around the body's middle, as wide as its longest side."""
    body, voxels = halved(body), halved(voxels * body)
    places = np.argwhere(body > 0.5)
    low, high = places.min(0), places.max(0)
    middle, half = (low + high) / 2, float((high - low).max()) / 2 * 1.1
    steps = np.linspace(-half, half, COARSE_GRID)
    grid = np.stack(np.meshgrid(*(middle[:, None] + steps), indexing="ij"))
    outline, tissue = (
        ndimage.map_coordinates(part, grid, order=1, mode="constant") for part in (body, voxels)
    )
    # The mean over the body alone: its edge must not look darker than its middle.
    mean = np.where(outline > 0.5, tissue / np.maximum(outline, 0.5), 0.0)
    return outline.astype(np.float32), mean.astype(np.float32)


def _turned(own: Prepared, turn: Pose) -> Prepared:
    """The scan with its world turned, so that its grid stays as it is."""
    matrix = np.eye(4)
    matrix[:3, :3] = turn.matrix()
    return replace(own, affine=matrix @ own.affine)
