"""A scan on an isotropic grid closest to RAS, with intensities on a common scale."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from scipy import ndimage

from pytest_safegen.core.errors import NotJudged
from pytest_safegen.core.scan import Prepared, Scan
from pytest_safegen.prepare.intensity import normalise
from pytest_safegen.prepare.options import PrepareOptions
from pytest_safegen.prepare.resample import read_only, resample, spacing_of, to_prepared_grid

if TYPE_CHECKING:
    from pytest_safegen.core.scan import Affine, BoolArray, FloatArray


MIN_PATHOLOGY_SHARE = 0.2  # of a voxel's volume, for it to count as annotated pathology


def canonical(scan: Scan, options: PrepareOptions) -> Prepared:
    """The scan on an isotropic grid along those of its axes closest to RAS, in its own world.

    Raises:
        NotJudged: NaN or infinite voxels, or nothing but one value.
    """
    if not np.isfinite(scan.voxels).all():
        raise NotJudged(
            "the scan holds NaN or infinite voxels, so it cannot be compared",
            headline="NaN or infinite voxels",
        )
    values, affine = _closest_to_ras(scan.voxels, scan.affine)
    values, affine = _isotropic(values, affine, options.spacing)
    scaled, body = normalise(values, options)
    own = Prepared(
        read_only(scaled), read_only(body), affine, np.eye(4), intensity=options.intensity
    )
    return replace(own, pathology=_annotated_pathology(scan, own))


def _annotated_pathology(scan: Scan, own: Prepared) -> BoolArray | None:
    """The scan's mask of pathology on its prepared grid; None where nothing is annotated."""
    if scan.mask is None or not scan.mask.any():
        return None
    share = to_prepared_grid(scan.mask.astype(np.float32), own, scan)
    return read_only(share > MIN_PATHOLOGY_SHARE)


def _closest_to_ras(values: FloatArray, affine: Affine) -> tuple[FloatArray, Affine]:
    orientation = nib.orientations.io_orientation(affine)
    reoriented = nib.orientations.apply_orientation(values, orientation)
    to_original = nib.orientations.inv_ornt_aff(orientation, values.shape)
    return np.ascontiguousarray(reoriented, dtype=np.float32), affine @ to_original


def _isotropic(values: FloatArray, affine: Affine, spacing: float) -> tuple[FloatArray, Affine]:
    """Resample to cubes of `spacing` mm, after smoothing along axes that lose resolution."""
    factor = spacing / spacing_of(affine)
    if np.allclose(factor, 1.0, atol=1e-3):
        return values, affine
    sigma = [0.0 if f <= 1.2 else 0.4 * float(f) for f in factor]
    smooth = ndimage.gaussian_filter(values, sigma) if any(sigma) else values
    shape = np.maximum(np.round(np.array(values.shape) / factor), 1).astype(int)
    grid = affine @ np.diag([*factor, 1.0])
    grid[:3, 3] = (affine @ [*(factor / 2 - 0.5), 1.0])[:3]
    return resample(
        smooth, affine, to_affine=grid, to_shape=shape.tolist(), fill=float(values.min())
    ), grid
