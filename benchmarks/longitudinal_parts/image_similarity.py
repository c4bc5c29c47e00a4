"""The image similarity that papers report of follow-ups: SSIM, PSNR and NCC outside the lesion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen import Scan
from pytest_safegen.api import NotJudged, canonical, guess_options, register, resample

MARGIN = 3  # voxels around the lesion

Volume = NDArray[np.float32]
METRICS = ("SSIM", "PSNR", "NCC")


def image_similarity(scans: Sequence[Scan]) -> dict[str, float]:
    """The three numbers of the first scan and the last, after a rigid registration; higher is
    better, NaN where they cannot be registered.
    """
    options = guess_options(scans[0])
    first, last = (canonical(scan, options) for scan in (scans[0], scans[-1]))
    try:
        mapping = register(last, first, kind="rigid")
    except NotJudged:
        return dict.fromkeys(METRICS, float("nan"))
    onto = {"to_affine": last.affine, "to_shape": last.voxels.shape, "mapping": mapping}
    moved = resample(first.voxels, first.affine, **onto)
    lesion = np.zeros(last.voxels.shape, dtype=bool) if last.pathology is None else last.pathology
    if first.pathology is not None:
        lesion = lesion | (resample(first.pathology, first.affine, **onto) > 0.5)
    where = last.body & ~ndimage.binary_dilation(lesion, iterations=MARGIN)
    a, b = moved[where].astype(np.float64), last.voxels[where].astype(np.float64)
    return {
        "SSIM": float(_ssim(moved, last.voxels)[where].mean()),
        "PSNR": float(-10 * np.log10(max(((a - b) ** 2).mean(), 1e-12))),
        "NCC": float(np.corrcoef(a, b)[0, 1]),
    }


def _ssim(a: Volume, b: Volume, *, window: int = 7) -> NDArray[np.float64]:
    """The SSIM map of Wang et al. 2004 for a range of 1."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    mx, my = ndimage.uniform_filter(x, window), ndimage.uniform_filter(y, window)
    vx = ndimage.uniform_filter(x * x, window) - mx**2
    vy = ndimage.uniform_filter(y * y, window) - my**2
    cov = ndimage.uniform_filter(x * y, window) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return np.asarray((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
