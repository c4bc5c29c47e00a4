"""Find by how many right angles a scan is rotated, and undo it before alignment.

A body's outline gives its rotation, except for left and right, which look alike: both are
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

UNPREPARED, UNPREPARED_HEADLINE = "the scan is not prepared", "The scan could not be prepared"

COARSE_GRID = 32
CLEARLY_BETTER = 0.1  # in correlation of outline and tissue, before a scan counts as rotated


@dataclass(frozen=True, slots=True)
class OrientedScan:
    """A prepared scan, and the rotation by right angles that was undone before its alignment."""

    prepared: Prepared
    rotation: Pose


def orient(target: ScanTarget, template: Template) -> OrientedScan:
    """The scan laid over the template, the right way up.

    Raises:
        NotJudged: the scan is not prepared.
    """
    if target.prepared is None:
        raise NotJudged(target.unprepared or UNPREPARED, headline=UNPREPARED_HEADLINE)
    if template.options.align != "affine" or target.own is None:
        return OrientedScan(target.prepared, Pose())
    rotation = _best_rotation(target.own, template)
    if rotation.is_identity:
        return OrientedScan(target.prepared, Pose())
    try:
        aligned = align(_rotate_world(target.own, rotation), template)
    except NotJudged:
        return OrientedScan(target.prepared, Pose())
    if abs(aligned.similarity or 0.0) <= abs(target.prepared.similarity or 0.0):
        return OrientedScan(target.prepared, Pose())
    undo = np.eye(4)
    undo[:3, :3] = rotation.matrix().T
    return OrientedScan(replace(aligned, to_scan=undo @ aligned.to_scan), rotation)


def _best_rotation(own: Prepared, template: Template) -> Pose:
    """The rotation that fits the template's outline best; none unless it is clearly better."""
    reference = _coarse_cube(template.body, template.voxels)
    outline, voxels = _coarse_cube(own.body.astype(np.float32), own.voxels)
    best, unrotated, highest = Pose(), 0.0, -1.0
    for pose in _rotations():
        similarity = _similarity(pose.apply(outline), pose.apply(voxels), *reference)
        if pose.is_identity:
            unrotated = similarity
        if similarity > highest:
            best, highest = pose, similarity
    return best if highest > unrotated + CLEARLY_BETTER else Pose()


def _rotations() -> Iterator[Pose]:
    """The 24 rotations by right angles."""
    return (pose for pose in all_poses() if not pose.is_mirrored)


def _similarity(
    outline: Volume, voxels: Volume, reference: Volume, reference_voxels: Volume
) -> float:
    """How well outline and tissue fit, whatever the contrast: -1..2."""
    everywhere = np.ones(reference.shape, dtype=bool)
    shape = correlation(outline, reference, where=everywhere)
    inside = (reference > 0.5) & (outline > 0.5)
    return shape + abs(correlation(voxels, reference_voxels, where=inside))


def _coarse_cube(body: Volume, voxels: Volume) -> tuple[Volume, Volume]:
    """Outline and tissue on a small cube around the body's middle, as wide as its longest side."""
    body, voxels = halved(body), halved(voxels * body)
    inside = np.argwhere(body > 0.5)
    low, high = inside.min(0), inside.max(0)
    middle, half = (low + high) / 2, float((high - low).max()) / 2 * 1.1
    steps = np.linspace(-half, half, COARSE_GRID)
    grid = np.stack(np.meshgrid(*(middle[:, None] + steps), indexing="ij"))
    outline, tissue = (
        ndimage.map_coordinates(part, grid, order=1, mode="constant") for part in (body, voxels)
    )
    # The mean over the body alone: its edge must not look darker than its middle.
    mean = np.where(outline > 0.5, tissue / np.maximum(outline, 0.5), 0.0)
    return outline.astype(np.float32), mean.astype(np.float32)


def _rotate_world(own: Prepared, rotation: Pose) -> Prepared:
    """The scan with its world rotated, so that its grid stays as it is."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation.matrix()
    return replace(own, affine=matrix @ own.affine)
