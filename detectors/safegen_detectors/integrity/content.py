"""What is wrong with the voxel values of one scan: measures, messages and a heatmap.

First the pure functions on arrays, then the measures of a scan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.api import Heatmap, Measure, Scan
from safegen_detectors.integrity.geometry import centre_of, describe_point
from safegen_detectors.integrity.text import counted, percent

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

BODY_LEVEL = 0.05
"""Body voxels are above this share of the range from the darkest to the brightest voxels."""

SAMPLE_SIZE = 2_000_000
"""Percentiles and distinct values are computed from about this many voxels of a larger scan."""

BODY_SLICE_SHARE = 0.02
"""A slice belongs to the body if more than this share of it is body."""

CLIPPED_SHARE = 0.02
"""The share of clipped body voxels that warns and is outlined; real 8-bit scans have 0.001."""

FAULTY = 2.0
"""The heatmap's value at a faulty voxel: faults here have no degree."""


def sample_of(voxels: Floats, limit: int = SAMPLE_SIZE) -> Floats:
    """Finite voxels (n,), every n-th along each axis so that little more than `limit` remain."""
    step = max(1, int((voxels.size / limit) ** (1 / 3)))
    sample = voxels[::step, ::step, ::step]
    return sample[np.isfinite(sample)]


def distinct_values(voxels: Floats) -> int:
    """The number of distinct finite values."""
    return int(np.unique(sample_of(voxels)).size)


def body_mask(voxels: Floats) -> Bools:
    """The mask (i, j, k) of finite voxels brighter than background."""
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
    """The share of neighbouring body voxels with equal values; near 1 in a label map.

    Voxels at the largest value are left out: those count as clipped.
    """
    inside = body & ~clipped_voxels(voxels, body)
    pairs = [_equal_pairs(voxels, inside, axis) for axis in range(3)]
    total = sum(count for _, count in pairs)
    return sum(equal for equal, _ in pairs) / total if total else 0.0


def _equal_pairs(voxels: Floats, inside: Bools, axis: int) -> tuple[int, int]:
    before = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
    after = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
    pairs = inside[before] & inside[after]
    return int((pairs & (voxels[before] == voxels[after])).sum()), int(pairs.sum())


def blank_slices(voxels: Floats, body: Bools, axis: int) -> NDArray[np.intp]:
    """Indices of slices across `axis` that hold one value although there is body on both sides.

    There is body where it fills more than `BODY_SLICE_SHARE` of the nearest slice with content.
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
    """What a scan contains: masks (i, j, k), and the blank slices of each axis."""

    scan: Scan
    nonfinite: Bools
    body: Bools
    clipped: Bools
    blank: tuple[NDArray[np.intp], ...]

    @property
    def clipped_share(self) -> float:
        """The share of the body at exactly the largest value."""
        return float(self.clipped.sum() / max(1, self.body.sum()))


def inspect_content(scan: Scan) -> Content:
    """Find everything that may be wrong with the voxel values of a scan."""
    body = body_mask(scan.voxels)
    return Content(
        scan=scan,
        nonfinite=~np.isfinite(scan.voxels),
        body=body,
        clipped=clipped_voxels(scan.voxels, body),
        blank=tuple(blank_slices(scan.voxels, body, axis) for axis in range(3)),
    )


def measure_content(content: Content) -> tuple[Measure, ...]:
    """The measures of a scan's voxel values, the gravest first."""
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
    message = headline = ""
    if share:
        count = int(content.nonfinite.sum())
        place = centre_of(content.nonfinite, content.scan.affine)
        message = f"{counted(count, 'voxel')} without a finite value, around {place}"
        headline = f"Non-finite voxels ({percent(share)} of the scan)"
    return Measure("nonfinite_share", share, "", message, headline)


def _distinct(content: Content) -> Measure:
    count = distinct_values(content.scan.voxels)
    if count > 1:
        values = f"{count} distinct voxel values"
        message = f"the scan holds only {values}, as an empty scan or a mask does"
        headline = f"Only {values}, as in a mask"
    else:
        message = "every voxel of the scan has the same value" if count else "no voxel is finite"
        headline = "Constant scan" if count else "No finite voxel"
    return Measure("distinct_values", float(count), "values", message, headline)


def _body(content: Content) -> Measure:
    share = float(content.body.mean())
    amount = "nothing" if not share else f"only {percent(share)} of it"
    message = f"the scan is empty: {amount} is brighter than its background"
    return Measure("body_share", share, "", message, "Empty scan")


def _clipped(content: Content) -> Measure:
    share = content.clipped_share
    message = headline = ""
    if share:
        place = centre_of(content.clipped, content.scan.affine)
        top = f"{content.scan.voxels[content.clipped].max():.4g}"
        message = (
            f"{percent(share)} of the body is clipped at the largest value {top}, around {place}"
        )
        headline = f"Voxels clipped at {top} ({percent(share)} of the body)"
    return Measure("clipped_share", share, "", message, headline)


def _flat(content: Content) -> Measure:
    share = flat_share(content.scan.voxels, content.body)
    message = f"{percent(share)} of neighbouring body voxels have equal values, as in a label map"
    return Measure("flat_share", share, "", message, "Looks like a label map")


def _blank(content: Content) -> Measure:
    count = sum(len(slices) for slices in content.blank)
    if not count:
        return Measure("blank_slices", 0.0, "slices")
    axis, slices = next((a, found) for a, found in enumerate(content.blank) if len(found))
    middle = np.array(content.scan.voxels.shape) / 2
    middle[axis] = slices[0]
    first = describe_point(content.scan.affine, middle)
    numbers = ", ".join(str(index) for index in slices[:3]) + (", ..." if len(slices) > 3 else "")
    message = f"slices are blank inside the body: {'ijk'[axis]} = {numbers}, the first at {first}"
    headline = f"{counted(count, 'blank slice')} inside the body ({'ijk'[axis]} = {numbers})"
    return Measure("blank_slices", float(count), "slices", message, headline)


def fault_heatmap(content: Content) -> Heatmap | None:
    """The map of faulty voxels; None where the fault has no place."""
    faulty = content.nonfinite.copy()
    if content.clipped_share > CLIPPED_SHARE:
        faulty |= content.clipped
    for axis, slices in enumerate(content.blank):
        faulty[(slice(None),) * axis + (slices,)] = True
    if not faulty.any():
        return None
    return Heatmap(
        values=np.where(faulty, np.float32(FAULTY), np.float32(0)),
        affine=content.scan.affine,
        meaning="voxels that are not finite, clipped at the largest value, or in blank slices",
    )
