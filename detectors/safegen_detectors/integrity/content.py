"""What the voxels of one scan show: measures with words, and where it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.api import Heatmap, Measure, Scan
from safegen_detectors.integrity import voxels
from safegen_detectors.integrity.geometry import centre_of, describe_point

CLIPPED = 0.02
"""A share of clipped body voxels worth a warning and an outline; real 8-bit scans have 0.001."""

OUTLINED = 2.0
"""The heatmap's value at a voxel that is wrong; there is no more or less wrong here."""

Bools = NDArray[np.bool_]


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


def look_at(scan: Scan) -> Content:
    """Find what may be wrong with the values of a scan."""
    body = voxels.body_of(scan.voxels)
    return Content(
        scan=scan,
        nonfinite=~np.isfinite(scan.voxels),
        body=body,
        clipped=voxels.clipped(scan.voxels, body),
        blank=tuple(voxels.blank_slices(scan.voxels, body, axis) for axis in range(3)),
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
    says = ""
    if share:
        place = centre_of(content.nonfinite, content.scan.affine)
        says = f"{content.nonfinite.sum()} voxels hold no finite number, around {place}"
    return Measure("nonfinite_share", share, "", says)


def _distinct(content: Content) -> Measure:
    count = voxels.distinct_values(content.scan.voxels)
    says = f"the scan holds only {count} different values, as an empty scan or a mask does"
    return Measure("distinct_values", float(count), "values", says)


def _body(content: Content) -> Measure:
    share = float(content.body.mean())
    says = f"the scan is empty: only {share:.2%} of it is brighter than its background"
    return Measure("body_share", share, "", says)


def _clipped(content: Content) -> Measure:
    share, says = content.clipped_share, ""
    if share:
        place = centre_of(content.clipped, content.scan.affine)
        top = content.scan.voxels[content.clipped].max()
        says = f"{share:.1%} of the body is cut off at the largest value {top:.4g}, around {place}"
    return Measure("clipped_share", share, "", says)


def _flat(content: Content) -> Measure:
    share = voxels.flat_share(content.scan.voxels, content.body)
    says = f"{share:.0%} of neighbouring body voxels are exactly equal, as in a label map"
    return Measure("flat_share", share, "", says)


def _blank(content: Content) -> Measure:
    count = sum(len(slices) for slices in content.blank)
    return Measure("blank_slices", float(count), "slices", _where_blank(content) if count else "")


def _where_blank(content: Content) -> str:
    axis, slices = next((a, found) for a, found in enumerate(content.blank) if len(found))
    middle = np.array(content.scan.voxels.shape) / 2
    middle[axis] = slices[0]
    place = describe_point(content.scan.affine, middle)
    numbers = ", ".join(str(index) for index in slices[:3]) + (", ..." if len(slices) > 3 else "")
    return f"slices are blank inside the body: {'ijk'[axis]} = {numbers}, first at {place}"


def heatmap_of(content: Content) -> Heatmap | None:
    """Outlines of the voxels that are wrong, None where the fault has no place."""
    wrong = content.nonfinite.copy()
    if content.clipped_share > CLIPPED:
        wrong |= content.clipped
    for axis, slices in enumerate(content.blank):
        wrong[(slice(None),) * axis + (slices,)] = True
    if not wrong.any():
        return None
    return Heatmap(
        values=np.where(wrong, np.float32(OUTLINED), np.float32(0)),
        affine=content.scan.affine,
        meaning="voxels without a finite value, cut off at the largest value, or in blank slices",
    )
