"""Smooth random fields, for warps, folds and shading."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft

from demo_data.template import AnyFloatArray, FloatArray


def smooth_field(
    shape: tuple[int, ...],
    *,
    scales: Sequence[tuple[float, float]],
    spacing: float,
    rng: np.random.Generator,
) -> FloatArray:
    """A Gaussian random field (i, j, k); `scales` are pairs of sigma in mm and amplitude.

    Each pair contributes variance `amplitude ** 2` with the spectrum of a Gaussian kernel.
    """
    frequencies = np.meshgrid(
        *(fft.fftfreq(n, spacing) for n in shape[:-1]), fft.rfftfreq(shape[-1], spacing),
        indexing="ij", sparse=True,
    )  # fmt: skip
    squared = frequencies[0] ** 2 + frequencies[1] ** 2 + frequencies[2] ** 2
    power = np.zeros_like(squared)
    for sigma, amplitude in scales:
        power += amplitude**2 * _kernel_power(squared, sigma=sigma, spacing=spacing)
    noise = rng.standard_normal(shape, dtype=np.float32)
    transfer = np.sqrt(power).astype(np.float32)
    return np.asarray(fft.irfftn(fft.rfftn(noise) * transfer, s=shape), dtype=np.float32)


def _kernel_power(squared: AnyFloatArray, *, sigma: float, spacing: float) -> AnyFloatArray:
    """Power of white noise of unit variance filtered to sigma and back to unit variance."""
    gain = (2 * np.sqrt(np.pi) * sigma / spacing) ** 3
    power: AnyFloatArray = gain * np.exp(-4 * np.pi**2 * sigma**2 * squared)
    return power
