"""Reads what discovery found into memory, whatever its format.

The libraries of a format are imported when the first file of it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_safegen.core.errors import ReadError
from pytest_safegen.core.scan import Scan, ScanRef

if TYPE_CHECKING:
    from pytest_safegen.core.scan import BoolArray
    from pytest_safegen.readers.base import Volume

MAX_VOXELS = 2**30
FORMATS: Mapping[tuple[str, ...], str] = {
    (".nii", ".nii.gz"): "nifti.read_nifti",
    (".nrrd", ".nhdr", ".mha", ".mhd"): "itk.read_itk",
}
"""The reader of each file format, by endings: a module of this package and its function."""


def read_scan(ref: ScanRef, *, max_voxels: int = MAX_VOXELS) -> Scan:
    """The scan and, if it has one, its mask, with read-only arrays.

    Raises ReadError, which names the file and the way out. NaN and infinite voxels are returned as
    they are. A mask that cannot be used is None, and `mask_problem` says why.
    """
    volume = _read_volume(ref.path, ref.target, max_voxels=max_voxels)
    mask, problem = _read_mask(ref, volume, max_voxels=max_voxels)
    return Scan(ref, volume.voxels, volume.affine, mask, volume.stored_type, problem)


def _read_volume(path: Path, name: str, *, max_voxels: int) -> Volume:
    read: Callable[..., Volume] = _reader_of(path, name)
    return read(path, name, max_voxels=max_voxels)


def _reader_of(path: Path, name: str) -> Any:
    """The function that reads a file or folder; its library is imported now, not before."""
    lower = path.name.lower()
    known = (reader for endings, reader in FORMATS.items() if lower.endswith(endings))
    reader = "dicom.read_dicom" if path.is_dir() else next(known, None)
    if reader is None:
        raise ReadError(
            f"{name} is not NIfTI, NRRD, MetaImage or a folder with a DICOM series. "
            "Convert it to .nii.gz, or name the folder that holds its slices.",
            headline="Unsupported file format",
        )
    module, function = reader.split(".")
    return getattr(import_module(f"{__name__}.{module}"), function)


def _read_mask(ref: ScanRef, scan: Volume, *, max_voxels: int) -> tuple[BoolArray | None, str]:
    """The mask bool (i, j, k), or None with the reason if there should be one."""
    if ref.mask is None:
        return None, ""
    name = _name_of_mask(ref, ref.mask)
    try:
        mask = _read_volume(ref.mask, name, max_voxels=max_voxels)
    except ReadError as problem:
        return None, str(problem)
    if difference := _grid_difference(mask, scan):
        return None, f"The mask {name} is not on the grid of its scan: {difference}."
    inside = mask.voxels > 0
    inside.setflags(write=False)
    return inside, ""


def _name_of_mask(ref: ScanRef, mask: Path) -> str:
    """The mask's path relative to the data root, as `ref.target` is the scan's."""
    root = ref.path.parents[len(Path(ref.target).parts) - 1]
    return mask.relative_to(root).as_posix() if mask.is_relative_to(root) else mask.name


def _grid_difference(mask: Volume, scan: Volume) -> str:
    """How the grid of a mask differs from that of its scan; empty if they are the same.

    Affines may differ by 0.1 % of a voxel in their steps and by as much and 0.01 mm in place.
    """
    import numpy as np

    if mask.voxels.shape != scan.voxels.shape:
        shapes = (" x ".join(map(str, one.voxels.shape)) for one in (mask, scan))
        return "{} instead of {} voxels".format(*shapes)
    away = np.abs(mask.affine - scan.affine)
    allowed = 1e-3 * float(np.linalg.norm(scan.affine[:3, :3], axis=0).max())
    if away[:3, :3].max() > allowed:
        return "its voxels have another size or direction"
    if away[:3, 3].max() > allowed + 0.01:
        return f"it is shifted by {away[:3, 3].max():.2f} mm"
    return ""
