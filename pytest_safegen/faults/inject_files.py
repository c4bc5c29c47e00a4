"""The files of an injected data set: scans, masks, slices as pictures, and tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from pytest_safegen import __version__
from pytest_safegen.core.atomic_io import atomic_path, write_text
from pytest_safegen.core.scan import Scan, ScanRef
from pytest_safegen.faults import FAMILIES, Canvas, Planted

if TYPE_CHECKING:
    from pytest_safegen.core.scan import Affine

FAULTS, DATASET, MANIFEST = "faults.tsv", "dataset.json", "safegen.tsv"
SCANS, MASKS, SLICES = "scans", "masks", "slices"
WINDOW = 1.15  # times the contrast is white in the pictures


@dataclass(frozen=True, slots=True)
class InjectedScan:
    """One corrupted scan: a row of faults.tsv, and the paths of its files in the folder.

    `changed_voxels` counts the mask, or where there is none all voxels that changed;
    `mean_change` is the mean absolute change in the mask, or else in the body, as a share of the
    contrast. `seed` is the seed of numpy's default generator.
    """

    subject: str
    end: str
    source: ScanRef
    kind: str
    group: str
    has_mask: bool
    changed_voxels: int
    mean_change: float
    strength: float = 0.0
    seed: str = ""

    @property
    def scan(self) -> str:
        """The corrupted scan."""
        return f"{SCANS}/{self._stem}.nii.gz"

    @property
    def mask(self) -> str | None:
        """The mask of the fault; None for a fault of the whole scan."""
        return f"{MASKS}/{self._stem}_label-fault_mask.nii.gz" if self.has_mask else None

    @property
    def pathology(self) -> str | None:
        """The annotated pathology of the source, beside the scan; None if it has none."""
        return f"{SCANS}/{self._stem}_label-lesion_mask.nii.gz" if self.source.mask else None

    @property
    def picture(self) -> str:
        """The picture of a slice; that of its mask ends in _mask.png."""
        return f"{SLICES}/{self._stem}.png"

    @property
    def _stem(self) -> str:
        return f"{self.subject}/{self.subject}_{self.end}"


def write_images(folder: Path, row: InjectedScan, scan: Scan, planted: Planted) -> None:
    """Write the corrupted scan, the mask of the fault, and the pathology of the source."""
    _save(folder / row.scan, planted.voxels.astype(_type_of(scan)), scan.affine)
    if row.mask is not None and planted.mask is not None:
        _save(folder / row.mask, planted.mask.astype(np.uint8), scan.affine)
    if row.pathology is not None and scan.mask is not None:
        _save(folder / row.pathology, scan.mask.astype(np.uint8), scan.affine)


def write_slices(folder: Path, row: InjectedScan, canvas: Canvas, planted: Planted) -> None:
    """Write the slice that changed most as PNG, and its mask as another one."""
    axis, place = _slice_of_change(canvas, planted)
    shade = (np.take(planted.voxels, place, axis) - canvas.floor) / (WINDOW * canvas.contrast)
    _save_picture(folder / row.picture, np.clip(shade, 0, 1))
    if planted.mask is not None:
        mask = np.take(planted.mask, place, axis).astype(np.float32)
        _save_picture(folder / row.picture.replace(".png", "_mask.png"), mask)


def write_tables(
    folder: Path, rows: Sequence[InjectedScan], arguments: Mapping[str, object]
) -> None:
    """Write faults.tsv, dataset.json, and safegen.tsv for the gate, sorted by scan."""
    ordered = sorted(rows, key=lambda row: row.scan)
    _save_table(folder / FAULTS, [_fault_cells(row) for row in ordered])
    _save_table(folder / MANIFEST, [_manifest_cells(row) for row in ordered])
    kinds = sorted({row.kind for row in ordered}, key=list(FAMILIES).index)
    described = {
        "name": "real scans with planted faults",
        "made_by": f"pytest-safegen {__version__}, safegen inject",
        "arguments": arguments,
        "scans": len(ordered),
        "sources": len({row.source.target for row in ordered}),
        "kinds": {kind: FAMILIES[kind].description for kind in kinds},
    }
    write_text(folder / DATASET, json.dumps(described, indent=2) + "\n")


def _fault_cells(row: InjectedScan) -> dict[str, str]:
    return {
        "scan": row.scan,
        "source": row.source.target,
        "subject": row.subject,
        "kind": row.kind,
        "group": row.group,
        "strength": f"{row.strength:g}",
        "seed": row.seed,
        "mask": row.mask or "n/a",
        "changed_voxels": str(row.changed_voxels),
        "mean_change": f"{row.mean_change:.4f}",
    }


def _manifest_cells(row: InjectedScan) -> dict[str, str]:
    return {
        "path": row.scan,
        "subject": row.subject,
        "modality": row.source.modality or "n/a",
        "mask": row.pathology or "n/a",
        "source_subject": row.source.subject,
        "fault": row.kind,
        "strength": f"{row.strength:g}",
    }


def _type_of(scan: Scan) -> np.dtype[Any]:
    """The data type of the source's file, if whole numbers or NIfTI's floats; float32 otherwise."""
    kind = np.dtype(scan.stored_type or "float32")
    if kind.kind in "iu":
        whole = bool((scan.voxels == np.round(scan.voxels)).all())
        return kind if whole and kind.itemsize <= 4 else np.dtype(np.float32)
    return np.dtype(np.float64) if kind == np.float64 else np.dtype(np.float32)


def _slice_of_change(canvas: Canvas, planted: Planted) -> tuple[int, int]:
    """The axis across the thickest slices, the last one in doubt, and the most changed slice."""
    axis = max(range(3), key=lambda own: (canvas.spacing[own], own))
    change = np.abs(planted.voxels - canvas.voxels)
    if planted.mask is not None:
        change = change * planted.mask
    total = change.sum(axis=tuple(own for own in range(3) if own != axis))
    return axis, int(np.argmax(total))


def _save(path: Path, voxels: NDArray[Any], affine: Affine) -> None:
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as partial:
        nib.save(image, partial)


def _save_picture(path: Path, shade: NDArray[Any]) -> None:
    """Write a plane of shades, 0 to 1, with its second axis upwards."""
    from PIL import Image

    levels = np.ascontiguousarray(np.rot90((255 * shade).round().astype(np.uint8)))
    with atomic_path(path) as partial:
        Image.fromarray(levels).save(partial)


def _save_table(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    write_text(path, "".join("\t".join(line) + "\n" for line in lines))
