"""Reads a folder that holds one DICOM series, by SimpleITK.

Nothing that names a patient is read: only where the slices lie, and their voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from pytest_safegen.core.errors import ReadError
from pytest_safegen.data.dicom_files import has_magic
from pytest_safegen.readers.base import (
    LPS_TO_RAS,
    Volume,
    check_spacing,
    first_bytes,
    plain_shape,
    volume,
)
from pytest_safegen.readers.itk import affine_of

if TYPE_CHECKING:
    from pytest_safegen.core.scan import Affine

_POSITION, _ORIENTATION = "0020|0032", "0020|0037"
_BITS, _SIGNED = "0028|0100", "0028|0103"
_UNEVEN = 0.05
"""Share of the slice distance by which slices may lie elsewhere than evenly spaced."""


@dataclass(frozen=True, slots=True)
class _Slice:
    """One file of a series: its pixel grid, and where it lies in mm (LPS)."""

    file: str
    size: tuple[int, ...]
    spacing: tuple[float, float]
    position: NDArray[np.float64]
    axes: NDArray[np.float64]
    stored_type: str

    @property
    def height(self) -> float:
        """The position along the normal of the slice, in mm."""
        return float(np.cross(*self.axes) @ self.position)


def read_dicom(folder: Path, name: str, *, max_voxels: int) -> Volume:
    """The volume of the one series in a folder, rescaled as its slices say; ReadError otherwise.

    `name` is what the folder is called in messages. Slices are sorted by their position; they must
    lie evenly, so that none can be missing. A single file may hold a whole volume.
    """
    files = _series_files(folder, name)
    first = _header(files[0], name)
    if len(files) == 1 and first.GetSize()[2:] > (1,):
        return _read_frames(first, name, max_voxels=max_voxels)
    slices = sorted((_slice(file, name) for file in files), key=lambda one: one.height)
    affine = _affine(slices, name)
    shape = plain_shape((*slices[0].size, len(slices)), name, max_voxels=max_voxels)
    voxels = np.empty(shape, dtype=np.float32, order="F")
    for k, one in enumerate(slices):
        voxels[:, :, k] = _voxels(_header(one.file, name), name)[:, :, 0]
    return volume(voxels, affine, stored_type=slices[0].stored_type, name=name)


def _read_frames(reader: Any, name: str, *, max_voxels: int) -> Volume:
    plain_shape(reader.GetSize(), name, max_voxels=max_voxels)
    check_spacing(reader.GetSpacing(), name)
    voxels = np.array(_voxels(reader, name), dtype=np.float32)
    return volume(voxels, affine_of(reader), stored_type=_stored_type(reader), name=name)


def _series_files(folder: Path, name: str) -> tuple[str, ...]:
    """The files of the only series; ReadError if there are more, or files that fit into none."""
    try:
        found = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    except RuntimeError as problem:
        raise ReadError(f"{name} has a damaged slice. Write or copy the series again.") from problem
    if len(found) != 1:
        raise ReadError(
            f"{name} holds {len(found)} DICOM series that can be read. "
            "Put the slices of each series into a folder of its own."
        )
    files: tuple[str, ...] = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), found[0])
    used = {Path(file).name for file in files}
    for path in sorted(folder.iterdir()):
        if path.name not in used and _is_slice(path):
            first_bytes(path, f"{name}/{path.name}")
            raise ReadError(f"{name}/{path.name} is no readable slice. Write or copy it again.")
    return files


def _is_slice(path: Path) -> bool:
    named = path.suffix.lower() in (".dcm", ".dicom", ".ima") and not path.name.startswith("._")
    return named or (path.name.upper() != "DICOMDIR" and has_magic(path))


def _header(file: str, name: str) -> Any:
    """A SimpleITK reader that has read the header of one file."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(file)
    try:
        reader.ReadImageInformation()
    except RuntimeError as problem:
        raise _damaged(file, name) from problem
    return reader


def _damaged(file: str, name: str) -> ReadError:
    return ReadError(f"{name}/{Path(file).name} is damaged. Write or copy it again.")


def _voxels(reader: Any, name: str) -> NDArray[Any]:
    """The rescaled voxels (i, j, k) of one file."""
    try:
        voxels = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as problem:
        raise _damaged(reader.GetFileName(), name) from problem
    if reader.GetNumberOfComponents() != 1:
        raise ReadError(f"{name} holds colours. Save one real number a voxel.")
    return np.asarray(voxels).reshape(reader.GetSize()[::-1]).transpose()


def _slice(file: str, name: str) -> _Slice:
    reader = _header(file, name)
    where = f"{name}/{Path(file).name}"
    position = _numbers(reader, _POSITION, 3, where)
    axes = _numbers(reader, _ORIENTATION, 6, where).reshape(2, 3)
    if reader.GetSize()[2:] > (1,):
        raise ReadError(
            f"{where} holds several slices beside other files. Put it into a folder alone."
        )
    x, y = reader.GetSpacing()[:2]
    check_spacing((x, y), where)
    return _Slice(file, reader.GetSize()[:2], (x, y), position, axes, _stored_type(reader))


def _numbers(reader: Any, tag: str, count: int, where: str) -> NDArray[np.float64]:
    text = reader.GetMetaData(tag) if reader.HasMetaDataKey(tag) else ""
    try:
        numbers = np.array([float(part) for part in text.split("\\")])
    except ValueError:
        numbers = np.empty(0)
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ReadError(
            f"{where} does not say where its slice lies (tag {tag.replace('|', ',')}). "
            "Write the position and the orientation into every slice."
        )
    return numbers


def _stored_type(reader: Any) -> str:
    signed = reader.HasMetaDataKey(_SIGNED) and reader.GetMetaData(_SIGNED).strip() == "1"
    bits = reader.GetMetaData(_BITS).strip() if reader.HasMetaDataKey(_BITS) else ""
    return f"{'' if signed else 'u'}int{bits}" if bits else ""


def _affine(slices: Sequence[_Slice], name: str) -> Affine:
    """The affine 4x4 to mm RAS+; ReadError unless the slices stack up to one box.

    The third column is the step from slice to slice as it is, so that a tilted gantry is kept.
    """
    first = slices[0]
    _check_alike(slices, name)
    step = _check_even(slices, name)
    affine = np.eye(4)
    affine[:3, 0] = first.axes[0] * first.spacing[0]
    affine[:3, 1] = first.axes[1] * first.spacing[1]
    affine[:3, 2] = step
    affine[:3, 3] = first.position
    return np.asarray(LPS_TO_RAS @ affine, dtype=np.float64)


def _check_alike(slices: Sequence[_Slice], name: str) -> None:
    first = slices[0]
    for one in slices:
        same_grid = one.size == first.size and np.allclose(one.spacing, first.spacing, rtol=1e-3)
        if not same_grid or not np.allclose(one.axes, first.axes, atol=1e-3):
            raise ReadError(
                f"{name} holds slices of unlike size, spacing or orientation, such as "
                f"{Path(one.file).name}. Put each series into a folder of its own."
            )


def _check_even(slices: Sequence[_Slice], name: str) -> NDArray[np.float64]:
    """The step (3,) in mm from one slice to the next."""
    if len(slices) < 2:
        raise ReadError(f"{name} holds one slice only. Put all slices of the series there.")
    gaps = np.diff([one.height for one in slices])
    usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])
    for below, above, gap in zip(slices, slices[1:], gaps, strict=False):
        between = f"{below.height:.2f} mm and {above.height:.2f} mm"
        if gap <= _UNEVEN * usual:
            raise ReadError(
                f"{name} has two slices at {below.height:.2f} mm, {Path(below.file).name} and "
                f"{Path(above.file).name}. Keep one of them."
            )
        if gap > (1 + _UNEVEN) * usual + 0.01:
            raise ReadError(
                f"{name} lacks a slice between {between}, where slices lie {usual:.2f} mm apart. "
                "Add it, or resample the series evenly."
            )
    return _check_straight(slices, name)


def _check_straight(slices: Sequence[_Slice], name: str) -> NDArray[np.float64]:
    positions = np.array([one.position for one in slices])
    step = (positions[-1] - positions[0]) / (len(slices) - 1)
    expected = positions[0] + np.arange(len(slices))[:, None] * step
    away = np.linalg.norm(positions - expected, axis=1)
    if away.max() > _UNEVEN * np.linalg.norm(step) * 2 + 0.01:
        worst = slices[int(away.argmax())]
        raise ReadError(
            f"{name}/{Path(worst.file).name} lies {away.max():.2f} mm beside its place among the "
            "other slices. Resample the series evenly."
        )
    return np.asarray(step, dtype=np.float64)
