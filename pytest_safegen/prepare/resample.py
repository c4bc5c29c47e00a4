"""Maps from grid to grid: the one place that resamples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from pytest_safegen.core.scan import Prepared, Scan

if TYPE_CHECKING:
    from pytest_safegen.core.scan import Affine, BoolArray, FloatArray


def spacing_of(affine: Affine) -> NDArray[np.float64]:
    """Voxel size in mm along i, j and k."""
    return np.asarray(nib.affines.voxel_sizes(affine), dtype=np.float64)


def to_scan_grid(values: FloatArray, prepared: Prepared, scan: Scan) -> FloatArray:
    """A map on the prepared grid, as float32 on the grid of the scan; 0 outside."""
    return resample(
        values,
        prepared.affine,
        to_affine=scan.affine,
        to_shape=scan.voxels.shape,
        mapping=np.linalg.inv(prepared.to_scan).astype(np.float64),
    )


def to_prepared_grid(values: FloatArray, prepared: Prepared, scan: Scan) -> FloatArray:
    """A map on the grid of the scan, as float32 on the prepared grid; 0 outside."""
    return resample(
        values,
        scan.affine,
        to_affine=prepared.affine,
        to_shape=prepared.voxels.shape,
        mapping=prepared.to_scan,
    )


def resample(
    values: NDArray[Any],
    affine: Affine,
    *,
    to_affine: Affine,
    to_shape: Sequence[int],
    mapping: Affine | None = None,
    order: int = 1,
    fill: float = 0.0,
) -> FloatArray:
    """`values` (i, j, k) on another grid, float32; `fill` outside.

    `mapping` 4x4 takes mm in the world of `to_affine` to mm in the world of `affine` (default:
    the same world). `order` 0 is nearest, 1 linear, 3 cubic B-spline.
    """
    between = np.eye(4) if mapping is None else mapping
    index = np.linalg.inv(affine) @ between @ to_affine
    transform = sitk.AffineTransform(index[:3, :3].ravel().tolist(), index[:3, 3].tolist())
    interpolator = {0: sitk.sitkNearestNeighbor, 1: sitk.sitkLinear, 3: sitk.sitkBSpline}[order]
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.T, dtype=np.float32))
    size = [int(n) for n in to_shape]
    method = sitk.ResampleImageFilter()
    method.SetNumberOfThreads(1)  # scans are prepared side by side instead
    method.SetNumberOfWorkUnits(1)
    method.SetReferenceImage(sitk.Image(size, sitk.sitkUInt8))
    method.SetTransform(transform)
    method.SetInterpolator(interpolator)
    method.SetDefaultPixelValue(fill)
    method.SetOutputPixelType(sitk.sitkFloat32)
    return np.ascontiguousarray(sitk.GetArrayFromImage(method.Execute(image)).T)


def halved(volume: FloatArray) -> FloatArray:
    """Means over cubes of 2 x 2 x 2 voxels of (i, j, k); an odd last slice is dropped."""
    i, j, k = (n // 2 for n in volume.shape)
    cubes = volume[: 2 * i, : 2 * j, : 2 * k].reshape(i, 2, j, 2, k, 2)
    return np.asarray(cubes.mean((1, 3, 5)), dtype=np.float32)


def correlation(a: FloatArray, b: FloatArray, *, where: BoolArray) -> float:
    """Pearson's correlation of two maps over some voxels; 0 where one is constant."""
    x, y = a[where].astype(np.float64), b[where].astype(np.float64)
    if x.size < 2 or x.std() == 0 or y.std() == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, made read-only."""
    array.flags.writeable = False
    return array
