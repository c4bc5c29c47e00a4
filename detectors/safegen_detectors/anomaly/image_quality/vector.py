"""The vector of global measures of one scan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from safegen_detectors.anomaly import grids
from safegen_detectors.anomaly.image_quality.slices import slice_measures
from safegen_detectors.anomaly.image_quality.spectrum import spectrum_measures
from safegen_detectors.anomaly.view import View, feature_names

Volume = NDArray[np.float32]
Vector = NDArray[np.float64]

QUANTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)
AIR, BODY = 0.02, 0.5  # shares of real scans with body there
FEWEST_AIR_VOXELS = 50


def measures_of(view: View) -> dict[str, float]:
    """Measures by name; always the same names for one ground, and always finite."""
    volume = view.voxels.cpu().numpy()
    usual = view.expected.mean[1].cpu().numpy()
    share = view.expected.body.cpu().numpy()
    body = view.sample.body
    found = _histogram(volume, body, share)
    found |= _geometry(view, volume, usual, share)
    found |= _features(view)
    found |= spectrum_measures(volume)
    found |= slice_measures(volume, body, usual)
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


def _geometry(view: View, volume: Volume, usual: Volume, share: Volume) -> dict[str, float]:
    """Scale and shear against the template (polar decomposition), and likeness to it."""
    linear = view.sample.to_template[:3, :3]
    _, stretches, turn = np.linalg.svd(linear)
    symmetric = turn.T @ np.diag(stretches) @ turn
    body = view.sample.body
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
        "likeness to the mean scan": _fisher(volume, usual, inside),
        "outline": float(2 * (body & inside).sum() / max(body.sum() + inside.sum(), 1)),
        "symmetry": _symmetry(view, volume, inside),
    }


def _symmetry(view: View, volume: Volume, inside: NDArray[np.bool_]) -> float:
    if view.ground.mirror is None:
        return 0.0
    matrix = grids.mirrored(view.sample, view.ground)
    other = grids.pull(view.voxels[None], matrix, volume.shape)[0].cpu().numpy()
    return _fisher(volume, other, inside)


def _fisher(a: Volume, b: Volume, where: NDArray[np.bool_]) -> float:
    """Fisher's z of the correlation of two maps over some voxels; 0 where one is constant."""
    x, y = a[where], b[where]
    if x.size < 2 or x.std() == 0 or y.std() == 0:
        return 0.0
    return float(np.arctanh(np.clip(np.corrcoef(x, y)[0, 1], -0.9999, 0.9999)))


def _features(view: View) -> dict[str, float]:
    """Mean and spread of each standardized feature where the scan is judged."""
    inside = view.standardized[:, view.judged]
    if inside.shape[1] < 2:  # nothing has neither mean nor spread
        inside = inside.new_zeros(len(inside), 2)
    means = inside.mean(1).cpu().numpy()
    spreads = inside.std(1).log().clamp(-7, 7).cpu().numpy()
    found: dict[str, float] = {}
    for name, mean, spread in zip(feature_names(view.ground), means, spreads, strict=True):
        found[f"mean {name}"] = float(mean)
        found[f"variation of {name}"] = float(spread)
    return found
