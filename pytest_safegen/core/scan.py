"""Scans and how they hang together: references, series, releases, scans in memory, prepared scans.

Arrays are numpy, axes (i, j, k) are voxel axes, affines map voxel indices to world coordinates
in mm (RAS+), as nibabel defines them. Arrays held here are read-only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# In quotes, so that numpy is not imported with every pytest run.
FloatArray: TypeAlias = "NDArray[np.float32]"
BoolArray: TypeAlias = "NDArray[np.bool_]"
Affine: TypeAlias = "NDArray[np.float64]"

Fact = float | str | None
"""One cell of the table of scans; None is unknown."""


@dataclass(frozen=True, slots=True)
class ScanRef:
    """One scan that discovery found; nothing of its voxels is read yet.

    `target` is the path relative to the data root, "/" separated: the scan's name in results.
    `path` is a file, or the folder of a DICOM series. `months` is the time of the scan.
    `mask` is the mask of the pathology. `labels` holds what else the manifest, the sidecar and
    `sessions.tsv` say.
    """

    target: str
    subject: str
    session: str | None
    modality: str | None
    path: Path
    months: float | None = None
    mask: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Series:
    """All scans of one synthetic patient, ordered by time; `target` names it in results."""

    target: str
    subject: str
    refs: tuple[ScanRef, ...]

    @property
    def timepoints(self) -> int:
        """The largest number of scans of one modality: 1 is no follow-up."""
        modalities = [ref.modality for ref in self.refs]
        return max(modalities.count(modality) for modality in modalities)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that discovery saw and did not take as a scan, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Release:
    """Everything found under one data root."""

    root: Path
    series: tuple[Series, ...]
    manifest: Path | None = None
    left_out: tuple[LeftOut, ...] = ()

    @property
    def refs(self) -> tuple[ScanRef, ...]:
        """Every scan, series by series."""
        return tuple(ref for series in self.series for ref in series.refs)


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan in memory, as its file holds it.

    `voxels` float32 (i, j, k); `affine` 4x4 to mm RAS+; `mask` bool (i, j, k) of the pathology,
    None where there is none; `stored_type` the data type in the file, such as "int16";
    `mask_problem` says why a mask that should be there is None.
    """

    ref: ScanRef
    voxels: FloatArray
    affine: Affine
    mask: BoolArray | None = None
    stored_type: str = ""
    mask_problem: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scan on a common grid: RAS, isotropic, normalised intensities.

    `voxels` float32 (i, j, k), about 0 (background or lower end) to 1 (upper end of tissue);
    `body` bool (i, j, k), where there is something to judge; `affine` 4x4, grid index to mm in
    the grid's own world; `to_scan` 4x4, mm in that world to mm in the scan's world;
    `similarity` -1..1, correlation with the template after alignment, None if not aligned;
    `pathology` bool (i, j, k), what is stated to be pathology, None where nothing is;
    `intensity` says on which kind of scale the scan was, "mr" or "ct".
    """

    voxels: FloatArray
    body: BoolArray
    affine: Affine
    to_scan: Affine
    similarity: float | None = None
    pathology: BoolArray | None = None
    intensity: str = "mr"
