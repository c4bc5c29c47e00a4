"""The timepoints of a series, rigidly registered to the first one and resampled to its grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen.api import (
    Heatmap,
    NotJudged,
    Prepared,
    PrepareOptions,
    SafegenError,
    Scan,
    ScanRef,
    canonical,
    guess_options,
    register,
)
from safegen_reports.html.images import viewer_data
from safegen_reports.html.images.geometry import Volume, WorldPoint, to_ras

MAX_TIMEPOINTS = 6
Affine = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Timepoint:
    """One column of the viewer; `aligned` is False where only the header says where it lies."""

    ref: ScanRef
    aligned: bool


@dataclass(frozen=True, slots=True)
class AlignedSeries:
    """Timepoints on one grid, encoded for the viewer; `mappings` (mm) lead to each."""

    grid: Volume
    downsampling: tuple[int, int, int]
    timepoints: tuple[Timepoint, ...]
    encoded: tuple[dict[str, Any], ...]
    mappings: dict[str, Affine]

    def on_grid(self, heatmap: Heatmap, of: str) -> Heatmap | None:
        """A map of one timepoint on the common grid; None if that timepoint is not shown."""
        if of not in self.mappings:
            return None
        moved = _resample(heatmap.values, heatmap.affine, self.mappings[of], self.grid)
        return Heatmap(moved, self.grid.affine, heatmap.meaning, heatmap.ceiling, of=of)

    def to_first(self, point: WorldPoint, of: str) -> WorldPoint:
        """A point of one timepoint (mm) in the space of the first one."""
        x, y, z = apply_affine(np.linalg.inv(self.mappings[of]), point)
        return float(x), float(y), float(z)


def align_series(
    refs: Sequence[ScanRef], read: Callable[[ScanRef], Scan], preferred: str | None
) -> AlignedSeries:
    """The timepoints of one modality: that of the preferred scan, else the most frequent one.

    Raises ReadError of a scan, and SafegenError of a geometry that cannot be drawn.
    """
    chosen = _select_timepoints(refs, preferred)
    first = read(chosen[0])
    full = to_ras(first.voxels, first.affine)
    downsampling = viewer_data.downsampling_factors(
        full, max_voxels=viewer_data.MAX_VOXELS // len(chosen)
    )
    grid = viewer_data.downsample(full, downsampling, np.mean)
    options = guess_options(first)
    fixed = _try_canonical(first, options)
    points, encoded, mappings = [], [], {}
    for ref in chosen:
        scan = first if ref is chosen[0] else read(ref)
        mapping = np.eye(4) if scan is first else _register_to_first(fixed, scan, options)
        points.append(Timepoint(ref, mapping is not None))
        mappings[ref.target] = np.eye(4) if mapping is None else mapping
        encoded.append(_encode_timepoint(scan, mappings[ref.target], grid, downsampling))
    return AlignedSeries(grid, downsampling, tuple(points), tuple(encoded), mappings)


def _select_timepoints(refs: Sequence[ScanRef], preferred: str | None) -> list[ScanRef]:
    """At most six scans of one modality, the first and the last among them."""
    frequent = Counter(ref.modality for ref in refs).most_common(1)[0][0]
    modality = next((ref.modality for ref in refs if ref.target == preferred), frequent)
    same = [ref for ref in refs if ref.modality == modality]
    places = np.linspace(0, len(same) - 1, min(len(same), MAX_TIMEPOINTS)).round().astype(int)
    return [same[place] for place in places]


def _try_canonical(scan: Scan, options: PrepareOptions) -> Prepared | None:
    try:
        return canonical(scan, options)
    except SafegenError:
        return None


def _register_to_first(
    fixed: Prepared | None, scan: Scan, options: PrepareOptions
) -> Affine | None:
    """mm of the first scan to mm of this one; None where it cannot be registered."""
    moving = _try_canonical(scan, options)
    if fixed is None or moving is None:
        return None
    try:
        between = register(fixed, moving, kind="rigid")
    except NotJudged:
        return None
    return np.asarray(moving.to_scan @ between @ np.linalg.inv(fixed.to_scan))


def _encode_timepoint(
    scan: Scan, mapping: Affine, grid: Volume, downsampling: tuple[int, int, int]
) -> dict[str, Any]:
    moved = Scan(scan.ref, _resample(scan.voxels, scan.affine, mapping, grid), grid.affine)
    facts = viewer_data.encode_scan(moved, (1, 1, 1)) | {
        "downsampling": list(downsampling),
        "file": {
            "shape": list(scan.voxels.shape),
            "affine": (np.linalg.inv(mapping) @ scan.affine).ravel().tolist(),
        },
    }
    if scan.mask is not None and scan.mask.any():
        mask = _resample(scan.mask.astype(np.float32), scan.affine, mapping, grid) >= 0.5
        facts["mask"] = viewer_data.pack_voxels(mask.astype(np.uint8))
    return facts


def _resample(
    values: NDArray[Any], affine: Affine, mapping: Affine, grid: Volume
) -> NDArray[np.float32]:
    """Values interpolated at the voxels of the grid, zero outside."""
    matrix = np.linalg.inv(affine) @ mapping @ grid.affine
    clean = np.nan_to_num(np.asarray(values, dtype=np.float32), posinf=0.0, neginf=0.0)
    moved = ndimage.affine_transform(
        clean, matrix, output_shape=grid.values.shape, order=1, cval=float(clean.min())
    )
    return np.asarray(moved, dtype=np.float32)
