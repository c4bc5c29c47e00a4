"""Copies with other intensities: noise, blur, contrast, bias, histograms, lesions."""

# ruff: noqa: ARG001  every disturbance has the same form

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from benchmarks.memorization.copy_sources import CopySources, Planted
from benchmarks.scans import Volume, ball, contrast, place, tissue, with_voxels
from pytest_safegen import Scan
from pytest_safegen.api import spacing_of
from pytest_safegen.faults.fields import smooth

Random = np.random.Generator


def exact(sources: CopySources, random: Random, strength: int) -> Planted:
    """The scan itself; with one, then two grey values of noise."""
    scan = sources.source
    return Planted(with_voxels(scan, scan.voxels + random.normal(0, strength, scan.voxels.shape)))


def noisy(sources: CopySources, random: Random, strength: int) -> Planted:
    """Gaussian noise over the tissue, 5, 10 and 20 % of the contrast."""
    return Planted(with_noise(sources.source, random, (0.05, 0.1, 0.2)[strength]))


def blurred(sources: CopySources, random: Random, strength: int) -> Planted:
    """A Gaussian of 1.5, 2.5 and 4 mm."""
    return Planted(with_blur(sources.source, (1.5, 2.5, 4.0)[strength]))


def sharpened(sources: CopySources, random: Random, strength: int) -> Planted:
    """Unsharp masking, 1, 2 and 4 times what a Gaussian of 2 mm takes away."""
    scan = sources.source
    soft = ndimage.gaussian_filter(scan.voxels, 2.0 / spacing_of(scan.affine))
    detail = (scan.voxels - soft) * tissue(scan)
    return Planted(with_voxels(scan, scan.voxels + (1.0, 2.0, 4.0)[strength] * detail))


def curved(sources: CopySources, random: Random, strength: int) -> Planted:
    """A power of the intensity: 0.6, 1.6 and 2.2."""
    return Planted(with_power(sources.source, (0.6, 1.6, 2.2)[strength]))


def biased(sources: CopySources, random: Random, strength: int) -> Planted:
    """A smooth gain over the field of view, up to 1.3, 1.6 and 2 times."""
    return Planted(with_bias(sources.source, random, (1.3, 1.6, 2.0)[strength]))


def inverted(sources: CopySources, random: Random, strength: int) -> Planted:
    """Dark tissue bright and bright tissue dark; with noise; with noise and another contrast."""
    scan = with_power(sources.source, (1.0, 1.0, 1.5)[strength])
    return Planted(with_noise(upside_down(scan), random, (0.0, 0.05, 0.05)[strength]))


def other_contrast(sources: CopySources, random: Random, strength: int) -> Planted:
    """As another sequence would show it: a curve of the intensity that turns back on itself."""
    scan = sources.source
    low, full = float(scan.voxels.min()), contrast(scan)
    knots = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 2.0])
    shown = np.array(
        [
            [0.0, 0.5, 0.6, 0.8, 0.7, 0.6],
            [0.0, 0.9, 0.75, 0.6, 0.65, 0.7],
            [0.0, 0.3, 0.9, 0.6, 0.35, 0.3],
        ][strength]
    )
    return Planted(
        with_voxels(scan, low + full * np.interp((scan.voxels - low) / full, knots, shown))
    )


def matched(sources: CopySources, random: Random, strength: int) -> Planted:
    """The histogram of a stranger, half and full; at last a flat histogram."""
    scan, where = sources.source, tissue(sources.source)
    ranks = np.argsort(np.argsort(scan.voxels[where])) / max(int(where.sum()) - 1, 1)
    host = np.sort(sources.host.voxels[tissue(sources.host)])
    strangers = np.quantile(host, ranks)
    flat = host[0] + (host[-1] - host[0]) * ranks
    values = scan.voxels.astype(np.float64)
    target = flat if strength == 2 else strangers
    share = 0.5 if strength == 0 else 1.0
    values[where] = (1 - share) * values[where] + share * target
    return Planted(with_voxels(scan, values))


def posterized(sources: CopySources, random: Random, strength: int) -> Planted:
    """Only 16, 8 and 5 grey values."""
    scan = sources.source
    step = contrast(scan) / (16, 8, 5)[strength]
    return Planted(with_voxels(scan, np.round(scan.voxels / step) * step))


def painted(sources: CopySources, random: Random, strength: int) -> Planted:
    """A lesion painted in: a soft ball, bright, 10, 20 and 30 mm in radius."""
    scan, radius = sources.source, (10.0, 20.0, 30.0)[strength]
    middle = place(scan, random, radius)
    inside = ball(scan, middle, radius).astype(np.float32)
    soft = ndimage.gaussian_filter(inside, 2.0 / spacing_of(scan.affine)) * tissue(scan)
    bright = float(scan.voxels.min()) + 1.1 * contrast(scan)
    texture = 0.05 * contrast(scan) * random.normal(size=scan.voxels.shape)
    return Planted(with_voxels(scan, (1 - soft) * scan.voxels + soft * (bright + texture)))


def restored(sources: CopySources, random: Random, strength: int) -> Planted:
    """A round trip through an autoencoder that was trained on the training patients."""
    if sources.restore is None:
        raise ValueError("there is no autoencoder")
    return Planted(sources.restore(sources.source, strength))


def with_noise(scan: Scan, random: Random, share: float) -> Scan:
    """Gaussian noise over the tissue, as a share of the contrast."""
    noise = random.normal(0, share * contrast(scan) + 1e-9, scan.voxels.shape)
    return with_voxels(scan, scan.voxels + noise * tissue(scan))


def with_blur(scan: Scan, sigma: float) -> Scan:
    """Under a Gaussian of some mm."""
    return with_voxels(scan, ndimage.gaussian_filter(scan.voxels, sigma / spacing_of(scan.affine)))


def with_power(scan: Scan, exponent: float) -> Scan:
    """A power of the intensity between its lowest and its highest value."""
    low, high = float(scan.voxels.min()), float(scan.voxels.max())
    share = (scan.voxels - low) / (high - low)
    return with_voxels(scan, low + (high - low) * share**exponent)


def with_bias(scan: Scan, random: Random, most: float) -> Scan:
    """A smooth gain between 1 / `most` and `most`."""
    field: Volume = smooth(scan.voxels.shape, random, cells=2)
    gain = np.float32(most) ** (field / max(float(np.abs(field).max()), 1e-6))
    low = float(scan.voxels.min())
    return with_voxels(scan, low + (scan.voxels - low) * gain)


def upside_down(scan: Scan) -> Scan:
    """Dark tissue bright and bright tissue dark, background as it was."""
    low = float(scan.voxels.min())
    turned = 2 * low + 1.1 * contrast(scan) - scan.voxels
    return with_voxels(scan, np.where(tissue(scan), turned, scan.voxels))


def unmasked(scan: Scan) -> Scan:
    """The scan without its mask of pathology, which does not move with the voxels."""
    return replace(scan, mask=None)
