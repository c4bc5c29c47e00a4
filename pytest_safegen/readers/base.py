"""What the readers of all formats share: a volume in memory, and what makes it one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_safegen.core.errors import ReadError

if TYPE_CHECKING:
    from pytest_safegen.core.scan import Affine, FloatArray

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Turns world coordinates as DICOM and ITK write them into those of nibabel."""


@dataclass(frozen=True, slots=True)
class Volume:
    """Voxels float32 (i, j, k), affine 4x4 to mm RAS+, and the data type in the file."""

    voxels: FloatArray
    affine: Affine
    stored_type: str


def first_bytes(path: Path, name: str, *, count: int = 512) -> bytes:
    """The first bytes of a file; ReadError if it is missing, empty, or stands for a file elsewhere.

    `name` is what the file is called in messages.
    """
    if path.is_symlink() and not path.exists():
        raise ReadError(
            f"{name} is a broken link. Fetch the file that it points to.", headline="Broken link"
        )
    if not path.is_file():
        what = "is not a regular file" if path.exists() else "does not exist"
        raise ReadError(
            f"{name} {what}. Put the scan there or remove it from the release.",
            headline="Not a regular file" if path.exists() else "Missing file",
        )
    try:
        with path.open("rb") as file:
            head = file.read(count)
    except OSError as problem:
        raise ReadError(
            f"{name} cannot be opened ({problem.strerror}). Make it readable.",
            headline="File cannot be opened",
        ) from problem
    if not head:
        raise ReadError(f"{name} is empty; re-export it.", headline="Empty file")
    if head.startswith(b"version https://git-lfs"):
        raise ReadError(
            f"{name} is a git-lfs pointer, not the scan. Run 'git lfs pull' first.",
            headline="git-lfs pointer instead of the scan",
        )
    if b"/annex/objects/" in head:
        raise ReadError(
            f"{name} is a git-annex pointer, not the scan. Run 'git annex get' first.",
            headline="git-annex pointer instead of the scan",
        )
    return head


def truncated(name: str) -> ReadError:
    """The error of a file that ends too early or cannot be decoded."""
    return ReadError(
        f"{name} is truncated or corrupt; re-export it.", headline="Truncated or corrupt file"
    )


def plain_shape(shape: Sequence[int], name: str, *, max_voxels: int) -> tuple[int, int, int]:
    """The three lengths of a volume; ReadError if it has not three axes, or too many voxels.

    Axes of length 1 after the third are dropped.
    """
    if len(shape) < 3:
        raise ReadError(
            f"{name} has {len(shape)} axes instead of 3. Save the slices of a scan as one volume.",
            headline=f"{len(shape)} axes instead of 3",
        )
    more = next((axis for axis, length in enumerate(shape) if axis > 2 and length != 1), None)
    if more is not None:
        raise ReadError(
            f"{name} has {len(shape)} axes and {shape[more]} volumes along axis {more + 1}. "
            "Save each volume as a file of its own.",
            headline=f"{shape[more]} volumes in one file",
        )
    i, j, k = (int(length) for length in shape[:3])
    if min(i, j, k) < 1:
        raise ReadError(
            f"{name} has no voxels: its shape is {i} x {j} x {k}; re-export it.",
            headline="No voxels",
        )
    if math.prod((i, j, k)) > max_voxels:
        raise ReadError(
            f"{name} has {i} x {j} x {k} voxels by its header, more than the limit of "
            f"{max_voxels}. Crop or resample it, or correct its header.",
            headline=f"More voxels than the limit of {max_voxels}",
        )
    return i, j, k


def check_spacing(spacing: Sequence[float], name: str) -> None:
    """ReadError unless the distances of the voxels in mm are finite and above 0."""
    if not all(math.isfinite(length) and length > 0 for length in spacing):
        shown = " x ".join(f"{length:g}" for length in spacing)
        raise ReadError(
            f"{name} has an invalid voxel spacing of {shown} mm. Correct its header.",
            headline="Invalid voxel spacing",
        )


def volume(voxels: FloatArray, affine: Affine, *, stored_type: str, name: str) -> Volume:
    """A volume with read-only arrays; ReadError if its affine is not finite or is singular."""
    with np.errstate(over="ignore", invalid="ignore"):
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
    is_finite = np.isfinite(affine).all() and np.isfinite(spacing).all() and spacing.all()
    # 1 for a right-angled box of voxels, 0 where all voxels lie in a plane.
    if not is_finite or abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-3:
        raise ReadError(
            f"{name} has a non-finite or singular affine. Correct its header.",
            headline="Invalid affine",
        )
    voxels.setflags(write=False)
    affine.setflags(write=False)
    return Volume(voxels, affine, stored_type)
