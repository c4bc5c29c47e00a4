"""Measures of the stack of slices along each axis: jitter, repeats, gaps, interleaving."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from safegen_detectors.anomaly.image_quality.spectrum import AXES

Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]

FULL = 0.15  # share of the largest slice from which on a slice counts
FEWEST_SLICES = 8
FLOOR = 1e-3
MEASURES = (
    "brightness steps",
    "largest brightness step",
    "every other slice brighter",
    "smallest change to the next slice",
    "largest change to the next slice",
    "change to the next slice",
    "every other change larger",
    "roughness across slices",
)


def slice_measures(volume: Volume, body: Mask, usual: Volume) -> dict[str, float]:
    """Measures by name, of a scan, its body, and what is usual at each voxel, all (i, j, k)."""
    found: dict[str, float] = {}
    for axis, name in enumerate(AXES):
        first, expected = (np.moveaxis(v, axis, 0) for v in (volume, usual))
        values = _along(first, np.moveaxis(body, axis, 0), expected)
        found |= {f"{measure}, {name}": v for measure, v in zip(MEASURES, values, strict=True)}
    return found


def _along(volume: Volume, body: Mask, usual: Volume) -> list[float]:
    """The MEASURES of slices along the first axis."""
    size = body.sum((1, 2))
    used = size > FULL * max(int(size.max()), 1)
    if used.sum() < FEWEST_SLICES:
        return [0.0] * len(MEASURES)
    gain = _log_gain(volume[used], body[used], usual[used])
    bend = gain[2:] - 2 * gain[1:-1] + gain[:-2]
    slices = volume[used]
    level = np.abs(slices).mean((1, 2)) + FLOOR
    change = np.abs(np.diff(slices, axis=0)).mean((1, 2)) / level[1:]
    relative = np.log((change + FLOOR) / (ndimage.median_filter(change, 7) + FLOOR))
    rough = np.abs(slices[2:] - 2 * slices[1:-1] + slices[:-2]).mean((1, 2)).mean()
    smooth_gain = ndimage.uniform_filter1d(gain, 5)
    return [
        float(np.log(bend.std() + FLOOR)),
        float(np.log(np.abs(bend).max() + FLOOR)),
        float(np.log(abs(_alternating(gain - smooth_gain)) + FLOOR)),
        float(relative.min()),
        float(relative.max()),
        float(np.log(change.mean() + FLOOR)),
        abs(_alternating(relative)),
        float(np.log((rough + FLOOR) / (np.abs(np.diff(slices, axis=0)).mean() + FLOOR))),
    ]


def _log_gain(volume: Volume, body: Mask, usual: Volume) -> NDArray[np.float64]:
    """Log ratio of each slice's mean in the body to the usual one, (slices,)."""
    count = np.maximum(body.sum((1, 2)), 1)
    means = [np.maximum((v * body).sum((1, 2)) / count, FLOOR) for v in (volume, usual)]
    return np.asarray(np.log(means[0] / means[1]), dtype=np.float64)


def _alternating(values: NDArray[np.float64]) -> float:
    """Mean of values (n,) times +1, -1, +1, ..."""
    return float((values * (-1.0) ** np.arange(len(values))).mean())
