"""Real brains as patients who can be scanned again: anatomy without noise, and its noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen import ScanRef
from pytest_safegen.api import read_scan, spacing_of

Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]

VENTRICLES = (49, 50, 51, 52)
WHITE_MATTER = tuple(range(81, 89))
LARGEST_LESION = 16.0  # mm of radius that must fit into the white matter's surroundings


@dataclass(frozen=True, slots=True)
class Patient:
    """A brain on its own grid.

    `anatomy` float32 (i, j, k) without noise and `spline` its cubic coefficients; `depth` mm below
    the brain's surface; `brain` and `ventricles` bool (i, j, k); `noise` is the standard deviation
    of what was taken off, `tissue` the level of white matter; `lesion` the voxel in its middle.
    """

    ref: ScanRef
    anatomy: Volume
    spline: Volume
    affine: NDArray[np.float64]
    brain: Mask
    depth: Volume
    ventricles: Mask
    noise: float
    tissue: float
    lesion: NDArray[np.int64]


def patient_of(ref: ScanRef, labels: Path, random: np.random.Generator) -> Patient:
    """A patient with a place for a lesion, from a scan and its label map (DLMUSE)."""
    scan = read_scan(ref)
    regions = np.asarray(nib.load(labels).dataobj).astype(int)
    brain = ndimage.binary_fill_holes(scan.voxels > 0)
    white = np.isin(regions, WHITE_MATTER)
    anatomy = np.where(brain, _without_noise(scan.voxels), 0).astype(np.float32)
    off = (scan.voxels - anatomy)[white]
    noise = 1.4826 * float(np.median(np.abs(off - np.median(off))))
    tissue = float(np.median(scan.voxels[white]))
    depth = ndimage.distance_transform_edt(brain, sampling=spacing_of(scan.affine))
    return Patient(
        ref,
        anatomy,
        ndimage.spline_filter(anatomy, order=3, output=np.float32),
        scan.affine,
        brain,
        depth.astype(np.float32),
        np.isin(regions, VENTRICLES),
        max(noise, 0.015 * tissue),
        tissue,
        _place(depth, white, random),
    )


def _without_noise(values: Volume) -> Volume:
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.T))
    method = sitk.GradientAnisotropicDiffusionImageFilter()
    method.SetNumberOfWorkUnits(1)  # so that sums are taken in the same order every time
    method.SetTimeStep(0.0625)
    method.SetConductanceParameter(1.5)
    method.SetNumberOfIterations(3)
    return np.ascontiguousarray(sitk.GetArrayFromImage(method.Execute(image)).T)


def _place(depth: Volume, white: Mask, random: np.random.Generator) -> NDArray[np.int64]:
    """A voxel of the white matter with room for the largest lesion around it."""
    fitting = np.argwhere(white & (depth > LARGEST_LESION + 4))
    return np.asarray(random.choice(fitting), dtype=np.int64)
