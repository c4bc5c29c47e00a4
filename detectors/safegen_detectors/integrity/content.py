"""What is wrong with the voxel values of one scan: measures, messages and a heatmap.

First the pure functions on arrays, then the measures of a scan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.api import Heatmap, Measure, Scan
from safegen_detectors.integrity.geometry import centre_of, describe_point

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

BODY_LEVEL = 0.05
"""Body is what lies above this share of the way from the darkest to the brightest voxels."""

SAMPLE_SIZE = 2_000_000
"""Percentiles and different values are taken from about this many voxels of a larger scan."""

BODY_SLICE_SHARE = 0.02
"""A slice belongs to the body if more than this share of it is body."""

CLIPPED_SHARE = 0.02
"""A share of clipped body voxels worth a warning and an outline; real 8-bit scans have 0.001."""

FAULTY = 2.0
"""The heatmap's value at a voxel that is wrong; there is no more or less wrong here."""


def sample_of(voxels: Floats, limit: int = SAMPLE_SIZE) -> Floats:
    """Every n-th voxel along each axis, flat and finite, so that few more than `limit` remain."""
    step = max(1, int((voxels.size / limit) ** (1 / 3)))
    sample = voxels[::step, ::step, ::step]
    return sample[np.isfinite(sample)]


def distinct_values(voxels: Floats) -> int:
    """How many different finite values there are."""
    return int(np.unique(sample_of(voxels)).size)


def body_mask(voxels: Floats) -> Bools:
    """Where there is something brighter than background; (i, j, k), finite voxels only."""
    sample = sample_of(voxels)
    if sample.size == 0:
        return np.zeros(voxels.shape, dtype=np.bool_)
    low, high = np.percentile(sample, [0.1, 99.9])
    return np.asarray(np.isfinite(voxels) & (voxels > low + BODY_LEVEL * (high - low)))


def clipped_voxels(voxels: Floats, body: Bools) -> Bools:
    """The body voxels that have exactly the largest value of the scan."""
    if not body.any():
        return body
    return np.asarray(body & (voxels == voxels[body].max()))


def flat_share(voxels: Floats, body: Bools) -> float:
    """The share of neighbouring body voxels that are exactly equal; near 1 in a label map.

    Voxels at the largest value are left out: they are counted as clipped.
    """
    inside = body & ~clipped_voxels(voxels, body)
    pairs = [_equal_pairs(voxels, inside, axis) for axis in range(3)]
    total = sum(count for _, count in pairs)
    return sum(equal for equal, _ in pairs) / total if total else 0.0


def _equal_pairs(voxels: Floats, inside: Bools, axis: int) -> tuple[int, int]:
    before = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
    after = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
    both = inside[before] & inside[after]
    return int((both & (voxels[before] == voxels[after])).sum()), int(both.sum())


def blank_slices(voxels: Floats, body: Bools, axis: int) -> NDArray[np.intp]:
    """Indices of slices across `axis` that hold one value though the body goes on on both sides.

    The body goes on where the nearest slice with content is body in more than
    `BODY_SLICE_SHARE` of it.
    """
    others = tuple(a for a in range(3) if a != axis)
    finite = np.where(np.isfinite(voxels), voxels, np.float32(0))
    blank = finite.max(axis=others) == finite.min(axis=others)
    filled, empty = np.flatnonzero(~blank), np.flatnonzero(blank)
    after = np.searchsorted(filled, empty)
    between = (after > 0) & (after < filled.size)
    empty, after = empty[between], after[between]
    share = body.mean(axis=others)[filled]
    return (
        empty[(share[after - 1] > BODY_SLICE_SHARE) & (share[after] > BODY_SLICE_SHARE)]
        if empty.size
        else empty
    )


@dataclass(frozen=True, slots=True)
class Content:
    """What is where in a scan; bool arrays (i, j, k), and the blank slices of each axis."""

    scan: Scan
    nonfinite: Bools
    body: Bools
    clipped: Bools
    blank: tuple[NDArray[np.intp], ...]

    @property
    def clipped_share(self) -> float:
        """The share of the body that has exactly the largest value."""
        return float(self.clipped.sum() / max(1, self.body.sum()))


def inspect_content(scan: Scan) -> Content:
    """Find what may be wrong with the values of a scan."""
    body = body_mask(scan.voxels)
    return Content(
        scan=scan,
        nonfinite=~np.isfinite(scan.voxels),
        body=body,
        clipped=clipped_voxels(scan.voxels, body),
        blank=tuple(blank_slices(scan.voxels, body, axis) for axis in range(3)),
    )


def measure_content(content: Content) -> tuple[Measure, ...]:
    """The measures of a scan's values, the gravest first."""
    return (
        _nonfinite(content),
        _distinct(content),
        _body(content),
        _blank(content),
        _clipped(content),
        _flat(content),
    )


def _nonfinite(content: Content) -> Measure:
    share = float(content.nonfinite.mean())
    message = ""
    if share:
        place = centre_of(content.nonfinite, content.scan.affine)
        message = f"{content.nonfinite.sum()} voxels hold no finite number, around {place}"
    return Measure("nonfinite_share", share, "", message)


def _distinct(content: Content) -> Measure:
    count = distinct_values(content.scan.voxels)
    message = f"the scan holds only {count} different values, as an empty scan or a mask does"
    return Measure("distinct_values", float(count), "values", message)


def _body(content: Content) -> Measure:
    share = float(content.body.mean())
    message = f"the scan is empty: only {share:.2%} of it is brighter than its background"
    return Measure("body_share", share, "", message)


def _clipped(content: Content) -> Measure:
    share, message = content.clipped_share, ""
    if share:
        place = centre_of(content.clipped, content.scan.affine)
        top = content.scan.voxels[content.clipped].max()
        message = (
            f"{share:.1%} of the body is cut off at the largest value {top:.4g}, around {place}"
        )
    return Measure("clipped_share", share, "", message)


def _flat(content: Content) -> Measure:
    share = flat_share(content.scan.voxels, content.body)
    message = f"{share:.0%} of neighbouring body voxels are exactly equal, as in a label map"
    return Measure("flat_share", share, "", message)


def _blank(content: Content) -> Measure:
    count = sum(len(slices) for slices in content.blank)
    return Measure("blank_slices", float(count), "slices", _blank_message(content) if count else "")


def _blank_message(content: Content) -> str:
    axis, slices = next((a, found) for a, found in enumerate(content.blank) if len(found))
    middle = np.array(content.scan.voxels.shape) / 2
    middle[axis] = slices[0]
    place = describe_point(content.scan.affine, middle)
    numbers = ", ".join(str(index) for index in slices[:3]) + (", ..." if len(slices) > 3 else "")
    return f"slices are blank inside the body: {'ijk'[axis]} = {numbers}, first at {place}"


def fault_heatmap(content: Content) -> Heatmap | None:
    """Outlines of the voxels that are wrong, None where the fault has no place."""
    wrong = content.nonfinite.copy()
    if content.clipped_share > CLIPPED_SHARE:
        wrong |= content.clipped
    for axis, slices in enumerate(content.blank):
        wrong[(slice(None),) * axis + (slices,)] = True
    if not wrong.any():
        return None
    return Heatmap(
        values=np.where(wrong, np.float32(FAULTY), np.float32(0)),
        affine=content.scan.affine,
        meaning="voxels without a finite value, cut off at the largest value, or in blank slices",
    )
