"""Measures of the power spectrum: each scale, and directions or single waves that stand out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float32]

BANDS = 12
LOWEST, HIGHEST = 0.03, 0.6  # cycles a voxel, between which the bands lie
FINE = 0.15  # from here on a wave is no anatomy
NYQUIST = 0.46
FLOOR = 1e-10  # share of the strongest wave
AXES = ("left-right", "front-back", "up-down")


def spectrum_measures(volume: Volume) -> dict[str, float]:
    """Measures by name of the windowed power spectrum of a volume (i, j, k)."""
    power = _log_power(volume)
    along = _frequencies(volume.shape)
    radius = np.sqrt(sum(f**2 for f in along))
    level = _radial_mean(power, radius)
    found = {"power of large structures": float(level[1])}
    for band in range(2, BANDS + 1):
        found[f"power at scale {band}"] = float(level[band] - level[1])
    rest = power - level[np.digitize(radius, _edges())]
    for name, frequency in zip(AXES, along, strict=True):
        steep = (radius > FINE) & (np.abs(frequency) > 0.8 * radius)
        last = (np.abs(frequency) > NYQUIST) & (radius < NYQUIST + 0.1)
        found[f"fine waves {name}"] = _mean(rest[steep])
        found[f"voxel-to-voxel waves {name}"] = _mean(rest[last])
    waves = np.sort(rest[radius > FINE])
    for name, share in (("strongest", 1.0), ("strong", 0.9999), ("raised", 0.999), ("weak", 0.01)):
        found[f"{name} single waves"] = _at(waves, share)
    return found


def _log_power(volume: Volume) -> NDArray[np.float64]:
    windowed = volume.astype(np.float64)
    for axis, n in enumerate(volume.shape):
        shape = [-1 if a == axis else 1 for a in range(3)]
        windowed = windowed * np.hanning(n + 2)[1:-1].reshape(shape)
    power = np.abs(np.fft.rfftn(windowed, axes=(0, 1, 2))) ** 2
    return np.asarray(np.log(power + FLOOR * max(float(power.max()), 1e-12)))


def _frequencies(shape: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """Cycles a voxel along each axis, shaped to broadcast over the half spectrum."""
    parts = [np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1]), np.fft.rfftfreq(shape[2])]
    return list(np.meshgrid(*parts, indexing="ij", sparse=True))


def _edges() -> NDArray[np.float64]:
    return np.linspace(LOWEST, HIGHEST, BANDS + 1)


def _radial_mean(power: NDArray[np.float64], radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean log power of each band, (BANDS + 2,); of an empty band that of the one before."""
    band = np.digitize(radius, _edges()).ravel()
    total = np.bincount(band, power.ravel(), minlength=BANDS + 2)
    count = np.bincount(band, minlength=BANDS + 2)
    mean = total / np.maximum(count, 1)
    for index in range(1, BANDS + 2):
        if count[index] == 0:
            mean[index] = mean[index - 1]
    return np.asarray(mean)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else 0.0


def _at(ordered: NDArray[np.float64], share: float) -> float:
    return float(ordered[min(int(ordered.size * share), ordered.size - 1)]) if ordered.size else 0.0
