"""The global quality measures of one scan, by name.

The histogram, geometry and features of the scan; its power spectrum by scale, direction and single
wave; and its slices along each axis: jitter, repeats, gaps and interleaving.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from safegen_detectors.anomaly.reference import grids
from safegen_detectors.anomaly.reference.normalized import NormalizedSample, feature_names

Volume = NDArray[np.float32]
Vector = NDArray[np.float64]

QUANTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)
AIR, BODY = 0.02, 0.5  # shares of real scans with body there
FEWEST_AIR_VOXELS = 50


def quality_measures(normalized: NormalizedSample) -> dict[str, float]:
    """Measures by name; always the same names for one reference, and always finite."""
    volume = normalized.voxels.cpu().numpy()
    expected = normalized.expected.mean[1].cpu().numpy()
    share = normalized.expected.body.cpu().numpy()
    body = normalized.sample.body
    found = _histogram(volume, body, share)
    found |= _geometry(normalized, volume, expected, share)
    found |= _features(normalized)
    found |= spectrum_measures(volume)
    found |= slice_measures(volume, body, expected)
    return {name: float(np.nan_to_num(v, nan=0.0)) for name, v in found.items()}


def _histogram(volume: Volume, body: NDArray[np.bool_], share: Volume) -> dict[str, float]:
    inside = volume[body] if body.any() else volume.ravel()
    levels = np.percentile(inside, QUANTILES)
    found = {f"grey value at {q} %": float(v) for q, v in zip(QUANTILES, levels, strict=True)}
    air = np.abs(volume[share < AIR])
    enough = air.size >= FEWEST_AIR_VOXELS
    return found | {
        "spread of grey values": float(inside.std()),
        "brightness of the background": float(air.mean()) if enough else 0.0,
        "brightest background": float(np.percentile(air, 99)) if enough else 0.0,
    }


def _geometry(
    normalized: NormalizedSample, volume: Volume, expected: Volume, share: Volume
) -> dict[str, float]:
    """Scale and shear against the template (polar decomposition), and likeness to it."""
    linear = normalized.sample.to_template[:3, :3]
    _, stretches, turn = np.linalg.svd(linear)
    symmetric = turn.T @ np.diag(stretches) @ turn
    body = normalized.sample.body
    inside = share > BODY
    found = {
        f"scale {axis}": float(np.log(max(abs(symmetric[n, n]), 1e-6)))
        for n, axis in enumerate(("left-right", "front-back", "up-down"))
    }
    return found | {
        "volume": float(np.log(max(abs(np.linalg.det(linear)), 1e-9))),
        "shear left-right to front-back": float(symmetric[0, 1]),
        "shear left-right to up-down": float(symmetric[0, 2]),
        "shear front-back to up-down": float(symmetric[1, 2]),
        "likeness to the mean scan": _fisher_z(volume, expected, inside),
        "outline": float(2 * (body & inside).sum() / max(body.sum() + inside.sum(), 1)),
        "symmetry": _symmetry(normalized, volume, inside),
    }


def _symmetry(normalized: NormalizedSample, volume: Volume, inside: NDArray[np.bool_]) -> float:
    if normalized.reference.mirror is None:
        return 0.0
    matrix = grids.mirrored(normalized.sample, normalized.reference)
    other = grids.pull(normalized.voxels[None], matrix, volume.shape)[0].cpu().numpy()
    return _fisher_z(volume, other, inside)


def _fisher_z(a: Volume, b: Volume, where: NDArray[np.bool_]) -> float:
    """Fisher's z of the correlation of two maps over some voxels; 0 where one is constant."""
    x, y = a[where], b[where]
    if x.size < 2 or x.std() == 0 or y.std() == 0:
        return 0.0
    return float(np.arctanh(np.clip(np.corrcoef(x, y)[0, 1], -0.9999, 0.9999)))


def _features(normalized: NormalizedSample) -> dict[str, float]:
    """Mean and spread of each standardized feature where the scan is judged."""
    inside = normalized.standardized[:, normalized.judged]
    if inside.shape[1] < 2:  # nothing has neither mean nor spread
        inside = inside.new_zeros(len(inside), 2)
    means = inside.mean(1).cpu().numpy()
    spreads = inside.std(1).log().clamp(-7, 7).cpu().numpy()
    found: dict[str, float] = {}
    for name, mean, spread in zip(feature_names(normalized.reference), means, spreads, strict=True):
        found[f"mean {name}"] = float(mean)
        found[f"variation of {name}"] = float(spread)
    return found


BANDS = 12
LOWEST, HIGHEST = 0.03, 0.6  # cycles a voxel, between which the bands lie
FINE = 0.15  # from here on a wave is no anatomy
NYQUIST = 0.46
POWER_FLOOR = 1e-10  # share of the strongest wave
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
    rest = power - level[np.digitize(radius, _band_edges())]
    for name, frequency in zip(AXES, along, strict=True):
        steep = (radius > FINE) & (np.abs(frequency) > 0.8 * radius)
        last = (np.abs(frequency) > NYQUIST) & (radius < NYQUIST + 0.1)
        found[f"fine waves {name}"] = _mean_or_zero(rest[steep])
        found[f"voxel-to-voxel waves {name}"] = _mean_or_zero(rest[last])
    waves = np.sort(rest[radius > FINE])
    for name, share in (("strongest", 1.0), ("strong", 0.9999), ("raised", 0.999), ("weak", 0.01)):
        found[f"{name} single waves"] = _quantile(waves, share)
    return found


def _log_power(volume: Volume) -> NDArray[np.float64]:
    windowed = volume.astype(np.float64)
    for axis, n in enumerate(volume.shape):
        shape = [-1 if a == axis else 1 for a in range(3)]
        windowed = windowed * np.hanning(n + 2)[1:-1].reshape(shape)
    power = np.abs(np.fft.rfftn(windowed, axes=(0, 1, 2))) ** 2
    return np.asarray(np.log(power + POWER_FLOOR * max(float(power.max()), 1e-12)))


def _frequencies(shape: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """Cycles a voxel along each axis, shaped to broadcast over the half spectrum."""
    parts = [np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1]), np.fft.rfftfreq(shape[2])]
    return list(np.meshgrid(*parts, indexing="ij", sparse=True))


def _band_edges() -> NDArray[np.float64]:
    return np.linspace(LOWEST, HIGHEST, BANDS + 1)


def _radial_mean(power: NDArray[np.float64], radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean log power of each band, (BANDS + 2,); of an empty band that of the one before."""
    band = np.digitize(radius, _band_edges()).ravel()
    total = np.bincount(band, power.ravel(), minlength=BANDS + 2)
    count = np.bincount(band, minlength=BANDS + 2)
    mean = total / np.maximum(count, 1)
    for index in range(1, BANDS + 2):
        if count[index] == 0:
            mean[index] = mean[index - 1]
    return np.asarray(mean)


def _mean_or_zero(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else 0.0


def _quantile(ordered: NDArray[np.float64], share: float) -> float:
    return float(ordered[min(int(ordered.size * share), ordered.size - 1)]) if ordered.size else 0.0


Mask = NDArray[np.bool_]

MIN_SLICE_SHARE = 0.15  # share of the largest slice from which on a slice counts
MIN_SLICES = 8
INTENSITY_FLOOR = 1e-3

SLICE_MEASURES = (
    "brightness steps",
    "largest brightness step",
    "every other slice brighter",
    "smallest change to the next slice",
    "largest change to the next slice",
    "change to the next slice",
    "every other change larger",
    "roughness across slices",
)


def slice_measures(volume: Volume, body: Mask, expected: Volume) -> dict[str, float]:
    """Measures by name, of a scan, its body, and the values expected, all (i, j, k)."""
    found: dict[str, float] = {}
    for axis, name in enumerate(AXES):
        along, expected_along = (np.moveaxis(v, axis, 0) for v in (volume, expected))
        values = _slice_measures_along(along, np.moveaxis(body, axis, 0), expected_along)
        found |= {
            f"{measure}, {name}": v for measure, v in zip(SLICE_MEASURES, values, strict=True)
        }
    return found


def _slice_measures_along(volume: Volume, body: Mask, expected: Volume) -> list[float]:
    """The SLICE_MEASURES of slices along the first axis."""
    size = body.sum((1, 2))
    used = size > MIN_SLICE_SHARE * max(int(size.max()), 1)
    if used.sum() < MIN_SLICES:
        return [0.0] * len(SLICE_MEASURES)
    gain = _log_gain(volume[used], body[used], expected[used])
    bend = gain[2:] - 2 * gain[1:-1] + gain[:-2]
    slices = volume[used]
    level = np.abs(slices).mean((1, 2)) + INTENSITY_FLOOR
    change = np.abs(np.diff(slices, axis=0)).mean((1, 2)) / level[1:]
    relative = np.log(
        (change + INTENSITY_FLOOR) / (ndimage.median_filter(change, 7) + INTENSITY_FLOOR)
    )
    rough = np.abs(slices[2:] - 2 * slices[1:-1] + slices[:-2]).mean((1, 2)).mean()
    smooth_gain = ndimage.uniform_filter1d(gain, 5)
    return [
        float(np.log(bend.std() + INTENSITY_FLOOR)),
        float(np.log(np.abs(bend).max() + INTENSITY_FLOOR)),
        float(np.log(abs(_alternating(gain - smooth_gain)) + INTENSITY_FLOOR)),
        float(relative.min()),
        float(relative.max()),
        float(np.log(change.mean() + INTENSITY_FLOOR)),
        abs(_alternating(relative)),
        float(
            np.log(
                (rough + INTENSITY_FLOOR)
                / (np.abs(np.diff(slices, axis=0)).mean() + INTENSITY_FLOOR)
            )
        ),
    ]


def _log_gain(volume: Volume, body: Mask, expected: Volume) -> NDArray[np.float64]:
    """Log ratio of each slice's mean in the body to the expected one, (slices,)."""
    count = np.maximum(body.sum((1, 2)), 1)
    means = [
        np.maximum((v * body).sum((1, 2)) / count, INTENSITY_FLOOR) for v in (volume, expected)
    ]
    return np.asarray(np.log(means[0] / means[1]), dtype=np.float64)


def _alternating(values: NDArray[np.float64]) -> float:
    """Mean of values (n,) times +1, -1, +1, ..."""
    return float((values * (-1.0) ** np.arange(len(values))).mean())
