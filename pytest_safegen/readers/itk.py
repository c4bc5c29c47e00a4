"""Reads NRRD (.nrrd, .nhdr) and MetaImage (.mha, .mhd) by SimpleITK."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from pytest_safegen.core.errors import ReadError
from pytest_safegen.readers.base import (
    LPS_TO_RAS,
    Volume,
    check_spacing,
    plain_shape,
    truncated,
    volume,
)
from pytest_safegen.readers.itk_headers import check_header

if TYPE_CHECKING:
    from pytest_safegen.core.scan import Affine

# The switch is one for the process: one thread may turn it at a time.
_WARNING_DISPLAY = RLock()


def read_itk(path: Path, name: str, *, max_voxels: int) -> Volume:
    """The volume of a NRRD or MetaImage file; ReadError if it is none.

    `name` is what the file is called in messages. A header may name one file for its voxels, in
    its own folder.
    """
    check_header(path, name)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    is_meta = path.suffix.lower() in (".mha", ".mhd")
    reader.SetImageIO("MetaImageIO" if is_meta else "NrrdImageIO")
    try:
        with no_warnings():
            reader.ReadImageInformation()
            shape = _checked_shape(reader, name, max_voxels=max_voxels)
            image = reader.Execute()
    except RuntimeError as problem:
        raise truncated(name) from problem
    stored = sitk.GetArrayViewFromImage(image)
    voxels = stored.transpose().reshape(shape, order="F").astype(np.float32)
    return volume(voxels, affine_of(image), stored_type=str(stored.dtype), name=name)


@contextmanager
def no_warnings() -> Iterator[None]:
    """Keep ITK's warnings, which it prints past Python, off the terminal meanwhile.

    What matters becomes a ReadError. Afterwards the display is as it was before.
    """
    with _WARNING_DISPLAY:
        was_on = sitk.ProcessObject.GetGlobalWarningDisplay()
        sitk.ProcessObject.SetGlobalWarningDisplay(False)
        try:
            yield
        finally:
            sitk.ProcessObject.SetGlobalWarningDisplay(was_on)


def affine_of(image: Any) -> Affine:
    """The affine 4x4 to mm RAS+ of an image or reader of SimpleITK, whose world is LPS."""
    axes = image.GetDimension()
    direction = np.array(image.GetDirection(), dtype=np.float64).reshape(axes, axes)[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = direction * np.array(image.GetSpacing()[:3])
    affine[:3, 3] = image.GetOrigin()[:3]
    return np.asarray(LPS_TO_RAS @ affine, dtype=np.float64)


def _checked_shape(reader: Any, name: str, *, max_voxels: int) -> tuple[int, int, int]:
    if reader.GetNumberOfComponents() != 1:
        raise ReadError(
            f"{name} has {reader.GetNumberOfComponents()} values per voxel, as colour images have. "
            "Save one real number per voxel.",
            headline=f"{reader.GetNumberOfComponents()} values per voxel",
        )
    shape = plain_shape(reader.GetSize(), name, max_voxels=max_voxels)
    check_spacing(reader.GetSpacing()[:3], name)
    return shape
