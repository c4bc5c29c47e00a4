"""Scans, masks and tables on disk, and files that are broken on purpose."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from demo_data.brain import Image
from demo_data.template import Affine

UNKNOWN = "n/a"


@dataclass(frozen=True, slots=True)
class Row:
    """One scan's line in the manifest: what the BIDS names beside it do not say."""

    path: str
    pathology: str = UNKNOWN
    treated: str = UNKNOWN


@dataclass(frozen=True, slots=True)
class Planted:
    """One planted fault: the scan or series, the check that must fail, what was done to it."""

    target: str
    check: str
    what: str


def scan_path(subject: str, *, session: str | None = None, modality: str = "T1w") -> str:
    """Where BIDS puts a scan, relative to the data folder."""
    entities = [subject] if session is None else [subject, session]
    return "/".join([*entities, "anat", "_".join([*entities, modality]) + ".nii.gz"])


def mask_path(scan: str) -> str:
    """Where BIDS puts the lesion mask of a scan."""
    return scan.replace("_T1w.", "_label-lesion_mask.")


def save_scan(path: Path, image: Image, *, spacing: float | None = None) -> None:
    """The voxels as int16 NIfTI; `spacing` in mm replaces the true one in the header."""
    affine = image.affine.copy()
    if spacing is not None:
        affine[:3, :3] = np.eye(3) * spacing
    save_array(path, np.rint(image.voxels).astype(np.int16), affine)


def save_array(path: Path, voxels: NDArray[Any], affine: Affine) -> None:
    """Any array (i, j, k) as NIfTI, in mm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nifti = nib.Nifti1Image(voxels, affine)
    nifti.header.set_xyzt_units("mm")
    nib.save(nifti, path)


def truncate(path: Path) -> None:
    """Keep the first 60 % of a file, as a full disk does."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])


def erase_spacing(path: Path) -> None:
    """Set voxel sizes and orientation in a NIfTI-1 header to zero (offsets of nifti1.h)."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[80:92] = bytes(12)  # pixdim[1..3]
    content[252:328] = bytes(76)  # qform and sform
    path.write_bytes(gzip.compress(bytes(content), mtime=0))


def save_table(path: Path, rows: Sequence[Row | Planted]) -> None:
    """Rows of one kind as tab-separated values with a header."""
    names = [field.name for field in fields(rows[0])]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def save_sessions(folder: Path, months: Mapping[str, float]) -> None:
    """The BIDS table that gives the time of each session of one patient."""
    lines = ["session_id\tmonths", *(f"{name}\t{month:.4g}" for name, month in months.items())]
    path = folder / f"{folder.name}_sessions.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
