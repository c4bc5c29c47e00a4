"""Real pairs of patients who were seen twice, and faults planted in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen import Scan
from pytest_safegen.api import discover, read_scan, spacing_of

Named = tuple[str, str, list[Scan]]


def series(folder: Path, seed: int) -> Iterator[Named]:
    """(group, kind, scans): the pairs as they are, then with one fault each."""
    pairs = _pairs(folder)
    names = sorted({subject for subject, _ in pairs})
    for (subject, modality), scans in pairs.items():
        random = np.random.default_rng([seed, len(modality), names.index(subject)])
        first, later = scans
        yield "consistent", "real pair", scans
        others = pairs.get((names[names.index(subject) - 1], modality), scans)
        if others is not scans:
            yield "fault", "real: another patient", [first, replace(others[1], ref=later.ref)]
        yield "fault", "real: mirrored", [first, _mirrored(later)]
        for kind, copy in _copies(first, random):
            yield "fault", f"real: {kind}", [first, replace(copy, ref=later.ref)]
        for radius in (12, 16, 20):
            if others is not scans:
                ball = _with_ball(later, others[1], radius, random)
                yield "fault", f"real: foreign ball of {radius} mm", [first, ball]


def _pairs(folder: Path) -> dict[tuple[str, str], list[Scan]]:
    found: dict[tuple[str, str], list[Scan]] = {}
    for one in discover(folder.absolute()).series:
        for modality in sorted({ref.modality or "" for ref in one.refs}):
            scans = [read_scan(ref) for ref in one.refs if ref.modality == modality]
            if len(scans) == 2:
                found[one.subject, modality] = scans
    return found


def _mirrored(scan: Scan) -> Scan:
    """Exchanged along the axis that runs from left to right."""
    import nibabel as nib

    axis = int(np.argmax(nib.orientations.io_orientation(scan.affine)[:, 0] == 0))
    return replace(scan, voxels=np.flip(scan.voxels, axis).copy())


def _copies(scan: Scan, random: np.random.Generator) -> Iterator[tuple[str, Scan]]:
    values, sigma = scan.voxels, _noise(scan.voxels)
    side = spacing_of(scan.affine)
    fine = np.argsort(side)[:2]
    move = np.zeros(3)
    move[fine] = 0.28 / side[fine]
    soft = np.zeros(3)
    soft[fine] = 0.5 / side[fine]
    yield "frozen copy", _with(scan, values)
    for share in (0.25, 0.5, 1.0):
        grain = random.normal(0, share * sigma, values.shape)
        yield f"frozen copy, noise {share:g}", _with(scan, values + grain)
    yield "frozen copy, gain 1.1", _with(scan, 1.1 * values)
    yield "frozen copy, shift 0.4 mm", _with(scan, ndimage.shift(values, move, order=3))
    yield "frozen copy, blur 0.5 mm", _with(scan, ndimage.gaussian_filter(values, soft))


def _noise(values: NDArray[np.float32]) -> float:
    """Standard deviation of the noise where the image is flattest (Immerkaer 1996), in slices."""
    axis = int(np.argmin(values.shape))
    planes = np.moveaxis(values, axis, 0).astype(np.float64)
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6.0
    fine = ndimage.convolve(planes, kernel[None])
    body = planes > 0.2 * np.percentile(planes, 99)
    return float(1.4826 * np.median(np.abs(fine[body])))


def _with(scan: Scan, values: NDArray[np.float64] | NDArray[np.float32]) -> Scan:
    whole = np.clip(np.round(values), scan.voxels.min(), None)
    return replace(scan, voxels=whole.astype(np.float32))


def _with_ball(scan: Scan, other: Scan, radius: float, random: np.random.Generator) -> Scan:
    """A ball of the other's tissue, both heads laid over each other by their middles."""
    from pytest_safegen.api import canonical, guess_options, register, resample

    options = guess_options(scan)
    here, there = (canonical(one, options) for one in (scan, other))
    strange = resample(
        other.voxels,
        other.affine,
        to_affine=scan.affine,
        to_shape=scan.voxels.shape,
        mapping=register(here, there, kind="rigid"),
    )
    side = spacing_of(scan.affine)
    head = scan.voxels > 0.2 * np.percentile(scan.voxels, 99)
    head = ndimage.binary_fill_holes(ndimage.binary_opening(head, iterations=2))
    depth = ndimage.distance_transform_edt(head, sampling=side)
    where = random.choice(np.argwhere(depth >= min(radius + 15, 0.8 * depth.max())))
    ball = radius >= np.linalg.norm((np.indices(head.shape).T - where) * side, axis=-1).T
    gain = np.median(scan.voxels[head]) / max(float(np.median(strange[head])), 1.0)
    return _with(scan, np.where(ball, gain * strange, scan.voxels))
