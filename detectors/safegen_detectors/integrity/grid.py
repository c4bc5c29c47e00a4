"""Measures of one scan's grid and of its mask's, with no reference needed."""

from __future__ import annotations

from pytest_safegen.api import Measure, Scan
from safegen_detectors.integrity.geometry import skew_degrees, voxel_size

SMALLEST = 1e-6
"""A voxel size in mm that stands for 0 where something is divided by it."""


def measure_grid(scan: Scan) -> tuple[Measure, ...]:
    """Voxel sizes, angles, number of voxels, and whether the mask fits."""
    size = [float(x) for x in voxel_size(scan.affine)]
    words = " x ".join(f"{x:.4g}" for x in size)
    ratio = max(size) / max(min(size), SMALLEST)
    angle = skew_degrees(scan.affine)
    return (
        Measure("smallest_voxel_size", min(size), "mm", f"the voxel size is {words} mm"),
        Measure("largest_voxel_size", max(size), "mm", f"the voxel size is {words} mm"),
        Measure("anisotropy", ratio, "times", f"the voxels, {words} mm, are far from cubes"),
        Measure("skew", angle, "degrees", f"the voxel axes are {angle:.3g} degrees off square"),
        _fewest(scan),
        Measure("mask_problem", float(bool(scan.mask_problem)), "", scan.mask_problem.rstrip(".")),
    )


def _fewest(scan: Scan) -> Measure:
    fewest = min(scan.voxels.shape)
    axis = "ijk"[scan.voxels.shape.index(fewest)]
    says = f"there are only {fewest} voxels along {axis}"
    return Measure("fewest_voxels", float(fewest), "voxels", says)
