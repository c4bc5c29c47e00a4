"""What the planted faults and copies need to know of a scan, and how they are written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen import Scan, ScanRef
from pytest_safegen.api import spacing_of

Mask = NDArray[np.bool_]
Volume = NDArray[np.float32]

AWAY_FROM_PATHOLOGY = 10.0  # mm; the anomaly check does not judge stated pathology


def tissue(scan: Scan) -> Mask:
    """Where the scan is not background: above a tenth of its range."""
    low, high = float(scan.voxels.min()), float(np.percentile(scan.voxels, 99))
    return np.asarray(scan.voxels > low + 0.1 * (high - low))


def contrast(scan: Scan) -> float:
    """From the background to the bright tissue (98th percentile)."""
    return float(np.percentile(scan.voxels[tissue(scan)], 98) - scan.voxels.min())


def with_voxels(scan: Scan, values: NDArray[np.float32] | NDArray[np.float64]) -> Scan:
    """The scan with other voxels, as its own data type would store them."""
    stored = np.dtype(scan.stored_type or "float32")
    if stored.kind in "iu":
        limits = np.iinfo(stored)
        values = np.clip(np.round(values), limits.min, limits.max)
    return replace(scan, voxels=np.ascontiguousarray(values, dtype=np.float32))


def place(scan: Scan, random: np.random.Generator, radius: float) -> NDArray[np.int64]:
    """The voxel in the middle of a random ball (mm) inside the tissue, off stated pathology."""
    spacing = spacing_of(scan.affine)
    inside = np.pad(tissue(scan), 1)
    room = ndimage.distance_transform_edt(inside, sampling=spacing)[1:-1, 1:-1, 1:-1]
    if scan.mask is not None and scan.mask.any():
        away = ndimage.distance_transform_edt(~scan.mask, sampling=spacing)
        room = np.minimum(room, away - AWAY_FROM_PATHOLOGY)
    fitting = np.argwhere(room >= min(radius, float(room.max())))
    return np.asarray(random.choice(fitting), dtype=np.int64)


def ball(scan: Scan, middle: NDArray[np.int64], radius: float) -> Mask:
    """The voxels within some mm of one voxel."""
    steps = (np.indices(scan.voxels.shape).T - middle) * spacing_of(scan.affine)
    distance = np.linalg.norm(steps, axis=-1).T
    return np.asarray(distance <= radius)


def cube(scan: Scan, middle: NDArray[np.int64], side: float) -> Mask:
    """The voxels of a cube of some mm around one voxel."""
    steps = np.abs(np.indices(scan.voxels.shape).T - middle) * spacing_of(scan.affine)
    return np.asarray((steps.max(-1) <= side / 2).T)


def write(scan: Scan, folder: Path, name: str) -> ScanRef:
    """Write a planted scan and its mask as NIfTI; where they are."""
    path = folder / f"{name}.nii.gz"
    stored = np.dtype(scan.stored_type or "float32")
    nib.save(nib.Nifti1Image(scan.voxels.astype(stored), scan.affine), path)
    mask = None
    if scan.mask is not None:
        mask = folder / f"{name}_mask.nii.gz"
        nib.save(nib.Nifti1Image(scan.mask.astype(np.uint8), scan.affine), mask)
    return replace(scan.ref, target=path.name, subject=name, path=path, mask=mask)
