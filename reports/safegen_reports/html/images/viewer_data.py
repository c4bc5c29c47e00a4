"""Voxels of a scan and its maps as a script that the interactive viewer loads.

A page opened from disk may load scripts and pictures that lie beside it, but no other files.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.api import Heatmap, Scan
from safegen_reports.html.images.geometry import Volume, intensity_window, to_ras

MAX_VOXELS = 4_000_000
"""A larger scan is shown downsampled."""
MAX_GREY_CODE = 4095
MAX_BYTE = 255
ZLIB_LEVEL = 6

Reduction = Callable[[NDArray[Any], tuple[int, ...]], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class MapLayer:
    """A map as the viewer gets it: `finding` is its number on the page, `worst` in mm."""

    finding: int
    check: str
    name: str
    meaning: str
    ceiling: float
    peak: float
    worst: tuple[float, float, float]
    data: str


def downsampling_factors(volume: Volume, *, max_voxels: int = MAX_VOXELS) -> tuple[int, int, int]:
    """Voxels to merge along each axis, finest first, so that at most `max_voxels` remain."""
    factors = np.ones(3, dtype=int)
    shape = np.asarray(volume.values.shape)
    while np.prod(np.ceil(shape / factors)) > max_voxels:
        factors[int(np.argmin(volume.spacing * factors))] += 1
    first, second, third = factors.tolist()
    return first, second, third


def downsample(volume: Volume, factors: tuple[int, int, int], reduce: Reduction) -> Volume:
    """The volume with blocks of voxels merged by `np.mean` or `np.max`."""
    if factors == (1, 1, 1):
        return volume
    short = [-length % factor for length, factor in zip(volume.values.shape, factors, strict=True)]
    padded = np.pad(volume.values, [(0, more) for more in short], mode="edge")
    split = [
        part
        for length, factor in zip(padded.shape, factors, strict=True)
        for part in (length // factor, factor)
    ]
    values = reduce(padded.reshape(split), (1, 3, 5))
    scale = np.diag([*map(float, factors), 1.0])
    scale[:3, 3] = (np.asarray(factors) - 1) / 2
    return Volume(values, volume.affine @ scale)


def encode_map(
    heatmap: Heatmap,
    factors: tuple[int, int, int],
    *,
    finding: int,
    check: str,
    name: str,
    peak: float,
    worst: tuple[float, float, float],
) -> MapLayer:
    """A map in 256 steps up to its ceiling; merged voxels get the highest of their values."""
    ceiling = max(heatmap.ceiling, 1e-6)
    volume = downsample(to_ras(heatmap.values, heatmap.affine), factors, np.max)
    clean = np.nan_to_num(volume.values, nan=0.0, posinf=ceiling, neginf=0.0)
    codes = np.clip(np.rint(clean / ceiling * MAX_BYTE), 0, MAX_BYTE).astype(np.uint8)
    return MapLayer(finding, check, name, heatmap.meaning, ceiling, peak, worst, pack_voxels(codes))


def encode_scan(scan: Scan, factors: tuple[int, int, int]) -> dict[str, Any]:
    """What the viewer needs of a scan: grid, intensities, window, annotated lesion."""
    full = to_ras(scan.voxels, scan.affine)
    volume = downsample(full, factors, np.mean)
    facts = {
        "target": scan.ref.target,
        "shape": list(volume.values.shape),
        "affine": volume.affine.ravel().tolist(),
        "downsampling": list(factors),
        "file": {"shape": list(scan.voxels.shape), "affine": scan.affine.ravel().tolist()},
        **encode_intensities(volume.values),
        "window": list(intensity_window(full.values)),
    }
    if scan.mask is not None and scan.mask.any():
        mask = downsample(to_ras(scan.mask.astype(np.uint8), scan.affine), factors, np.max)
        facts["mask"] = pack_voxels(mask.values.astype(np.uint8))
    return facts


def encode_intensities(values: NDArray[Any]) -> dict[str, Any]:
    """Intensities as whole steps above the lowest: one byte a voxel where that loses nothing.

    Else 4096 steps between the 0.05 % and the 99.95 % percentile; low bytes first, then high ones.
    """
    known = values[np.isfinite(values)]
    if known.size == 0:
        return {
            "low": 0.0,
            "step": 1.0,
            "bytes": 1,
            "data": pack_voxels(np.zeros(values.shape, "u1")),
        }
    low, high = float(known.min()), float(known.max())
    if high - low <= MAX_BYTE and bool((known == np.rint(known)).all()):
        steps = _quantize(values, low, 1.0, MAX_BYTE).astype(np.uint8)
        return {"low": low, "step": 1.0, "bytes": 1, "data": pack_voxels(steps)}
    low, high = (float(value) for value in np.percentile(known, (0.05, 99.95)))
    step = max((high - low) / MAX_GREY_CODE, 1e-12)
    steps = _quantize(values, low, step, MAX_GREY_CODE).astype(np.uint16)
    return {"low": low, "step": step, "bytes": 2, "data": pack_voxels(steps)}


def _quantize(values: NDArray[Any], low: float, step: float, max_code: int) -> NDArray[np.float64]:
    high = low + max_code * step
    clean = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    return np.clip(np.rint((clean - low) / step), 0, max_code)


def viewer_script(
    key: str, volumes: Sequence[Mapping[str, Any]], layers: Sequence[MapLayer]
) -> str:
    """The script that hands volumes, and maps that all lie on their grid, to the viewer."""
    fields = MapLayer.__slots__
    content = {
        "key": key,
        "volumes": list(volumes),
        "layers": [{field: getattr(each, field) for field in fields} for each in layers],
    }
    return f"safegen.receive({json.dumps(content, allow_nan=False)});\n"


def pack_voxels(codes: NDArray[Any]) -> str:
    """Bytes in Fortran order (i runs fastest), by planes of bytes, compressed, as base64."""
    flat = codes.ravel(order="F")
    planes = [(flat >> (8 * n)).astype(np.uint8).tobytes() for n in range(flat.itemsize)]
    return base64.b64encode(zlib.compress(b"".join(planes), ZLIB_LEVEL)).decode("ascii")
