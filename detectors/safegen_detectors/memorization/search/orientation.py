"""Find the right-angled turn of a scan and undo it before alignment.

A body's outline gives its turn, except for left and right, which look alike: both are
tried later. A crop has no outline: all its poses are tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from pytest_safegen.api import NotJudged, Prepared, ScanTarget, Template, align, correlation, halved
from safegen_detectors.memorization.features.pattern import Volume
from safegen_detectors.memorization.search.poses import Pose, all_poses

COARSE_GRID = 32
CLEARLY_BETTER = 0.1  # in correlation of outline and tissue, before a scan is taken to be turned


@dataclass(frozen=True, slots=True)
class OrientedScan:
    """A prepared scan with the right-angled turn that was undone before it was aligned."""

    prepared: Prepared
    turn: Pose


def orient(target: ScanTarget, template: Template) -> OrientedScan:
    """The scan as it lies over the template once it is turned the right way up.

    Raises:
        NotJudged: the scan is not prepared.
    """
    if target.prepared is None:
        raise NotJudged(target.unprepared or "the scan is not prepared")
    if template.options.align != "affine" or target.own is None:
        return OrientedScan(target.prepared, Pose())
    turn = _best_turn(target.own, template)
    if turn.plain:
        return OrientedScan(target.prepared, Pose())
    try:
        aligned = align(_turn_world(target.own, turn), template)
    except NotJudged:
        return OrientedScan(target.prepared, Pose())
    if abs(aligned.similarity or 0.0) <= abs(target.prepared.similarity or 0.0):
        return OrientedScan(target.prepared, Pose())
    undo = np.eye(4)
    undo[:3, :3] = turn.matrix().T
    return OrientedScan(replace(aligned, to_scan=undo @ aligned.to_scan), turn)


def _best_turn(own: Prepared, template: Template) -> Pose:
    """The turn that lays the outline best over the template's; none unless it is clearly better."""
    goal = _coarse_cube(template.body, template.voxels)
    outline, voxels = _coarse_cube(own.body.astype(np.float32), own.voxels)
    best, plain = Pose(), 0.0
    highest = -1.0
    for pose in _turns():
        likeness = _similarity(pose.laid(outline), pose.laid(voxels), *goal)
        if pose.plain:
            plain = likeness
        if likeness > highest:
            best, highest = pose, likeness
    return best if highest > plain + CLEARLY_BETTER else Pose()


def _turns() -> Iterator[Pose]:
    """The 24 turns by right angles."""
    return (pose for pose in all_poses() if not pose.mirrors)


def _similarity(outline: Volume, voxels: Volume, goal: Volume, goal_voxels: Volume) -> float:
    """How well outline and tissue fit, whatever the contrast: -1..2."""
    everywhere = np.ones(goal.shape, dtype=bool)
    shape = correlation(outline, goal, where=everywhere)
    inside = (goal > 0.5) & (outline > 0.5)
    return shape + abs(correlation(voxels, goal_voxels, where=inside))


def _coarse_cube(body: Volume, voxels: Volume) -> tuple[Volume, Volume]:
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


def _turn_world(own: Prepared, turn: Pose) -> Prepared:
    """The scan with its world turned, so that its grid stays as it is."""
    matrix = np.eye(4)
    matrix[:3, :3] = turn.matrix()
    return replace(own, affine=matrix @ own.affine)
