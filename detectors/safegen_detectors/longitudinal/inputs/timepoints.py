"""Groups the scans of a series by modality, and prepares each of them once for comparison."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pytest_safegen.api import NotJudged, PrepareOptions, canonical, guess_options
from safegen_detectors.longitudinal.inputs.metadata import scan_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_safegen.api import BoolArray, Intensity, Prepared, Scan, ScanRef, SeriesTarget

SPACING = 2.0
MAX_SIDE_SHARE = 0.05  # share of a side of the image that a whole body may touch
COARSEST_SPACING = 3.0  # bodies of more than about 33 cm are compared at their own coarser spacing


@dataclass(frozen=True, slots=True)
class Timepoint:
    """One scan of a series, as it is and prepared.

    `crop` is True where no outline of the body is seen; the body of a crop is its whole image.
    """

    scan: Scan
    prepared: Prepared
    intensity: Intensity
    crop: bool

    @property
    def ref(self) -> ScanRef:
        """The scan's place in the series."""
        return self.scan.ref

    @property
    def name(self) -> str:
        """What a message calls this scan."""
        return scan_name(self.ref)


def scans_by_modality(target: SeriesTarget) -> list[list[Scan]]:
    """The readable scans of every modality that has at least two, in the order of the series.

    Raises:
        NotJudged: no modality has two readable scans.
    """
    groups: dict[str | None, list[Scan]] = defaultdict(list)
    for scan_target in target.scans:
        if scan_target.scan is not None:
            groups[scan_target.ref.modality].append(scan_target.scan)
    repeated = [scans for scans in groups.values() if len(scans) > 1]
    if not repeated:
        raise NotJudged(
            f"the series {target.series.target} has no two readable scans of one modality, so "
            "nothing can be compared over time",
            headline="No two readable scans of one modality",
        )
    return repeated


def prepare_timepoints(scans: Sequence[Scan]) -> list[Timepoint]:
    """Scans of one modality on isotropic grids of one spacing, each in its own mm."""
    guesses = [guess_options(scan) for scan in scans]
    first = guesses[0]
    spacing = SPACING if first.spacing <= COARSEST_SPACING else first.spacing
    return [
        prepare_timepoint(scan, replace(guess, spacing=spacing, intensity=first.intensity))
        for scan, guess in zip(scans, guesses, strict=True)
    ]


def timepoint_pairs(points: Sequence[Timepoint]) -> list[tuple[Timepoint, Timepoint]]:
    """Each scan with the next one, and the first with the last."""
    ends = [(points[0], points[-1])] if len(points) > 2 else []
    return [*pairwise(points), *ends]


def is_cropped(body: BoolArray) -> bool:
    """True where a body reaches a side of the image (i or j), so that air may be lung."""
    sides = [np.take(body, end, axis).mean() for axis in (0, 1) for end in (0, -1)]
    return bool(max(sides) > MAX_SIDE_SHARE)


def prepare_timepoint(scan: Scan, options: PrepareOptions) -> Timepoint:
    """One scan on an isotropic grid of its own.

    Raises:
        NotJudged: voxels that are not finite, or nothing but one value.
    """
    prepared = canonical(scan, options)
    crop = options.align == "centre" or (options.intensity == "ct" and is_cropped(prepared.body))
    if crop:
        prepared = replace(prepared, body=np.ones_like(prepared.body))
    return Timepoint(scan, prepared, options.intensity, crop)
