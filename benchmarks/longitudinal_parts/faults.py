"""Faults of the whole image, and the tables of all faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.longitudinal_parts.consistent import growing, scans_of
from benchmarks.longitudinal_parts.fault_inputs import (
    Fault,
    FaultInputs,
    Volume,
    pair,
    stored,
    with_follow_up,
)
from benchmarks.longitudinal_parts.lesion_faults import (
    doubles_though_stable,
    flipped_lesion,
    frozen_lesion,
    impossible_growth,
    jump,
    mask_outside,
    misstated_growth,
    overwhelming,
    shrinking,
    swapped,
    teleported,
)
from benchmarks.longitudinal_parts.visits import scanned
from pytest_safegen import Scan
from pytest_safegen.api import spacing_of


def another_patient(inputs: FaultInputs) -> list[Scan]:
    """The follow-up is another patient's, with the lesion that the course asks for."""
    visits = growing(inputs.random, months=(0, 3))
    first, second = scans_of(inputs.patient, visits)
    other = scans_of(inputs.other, visits)[1]
    return [first, replace(other, ref=second.ref)]


def mirrored(inputs: FaultInputs) -> list[Scan]:
    """Left and right of the follow-up are exchanged, mask and all."""

    def flipped(scan: Scan) -> Scan:
        mask = None if scan.mask is None else scan.mask[::-1].copy()
        return replace(scan, voxels=scan.voxels[::-1].copy(), mask=mask)

    return with_follow_up(pair(inputs), flipped)


def upside_down(inputs: FaultInputs) -> list[Scan]:
    """The follow-up stands on its head."""
    return with_follow_up(
        pair(inputs),
        lambda scan: replace(
            scan,
            voxels=scan.voxels[:, ::-1, ::-1].copy(),
            mask=None if scan.mask is None else scan.mask[:, ::-1, ::-1].copy(),
        ),
    )


def frozen(
    *,
    noise: float = 0.0,
    gain: float = 1.0,
    shift: float = 0.0,
    blur: float = 0.0,
    bias: float = 0.0,
    repainted: bool = True,
) -> Fault:
    """The follow-up is the first scan, disturbed; a lesion that has grown is painted in.

    `noise` in units of the scan's own, `shift` and `blur` (sigma) in mm, `bias` as a share.
    """

    def made(inputs: FaultInputs) -> list[Scan]:
        first, second = _same_background(inputs, repainted=repainted)
        side = float(spacing_of(second.affine)[0])
        values = second.voxels.astype(np.float64)
        if shift:
            values = ndimage.shift(values, np.array([0.7, 0.6, 0.4]) * shift / side, order=3)
        if blur:
            values = ndimage.gaussian_filter(values, blur / side)
        ramp = np.linspace(-1, 1, values.shape[1])[None, :, None]
        values = gain * values * (1 + bias * ramp)
        values = values + inputs.random.normal(0, noise * inputs.patient.noise, values.shape)
        return [first, stored(second, values)]

    return made


def _same_background(inputs: FaultInputs, *, repainted: bool) -> list[Scan]:
    first, second = growing(inputs.random, months=(0, 3))
    still = replace(first, mass_effect=0.0)
    lesions = second.lesions if repainted else first.lesions
    return scans_of(inputs.patient, [still, replace(still, months=second.months, lesions=lesions)])


def foreign_ball(radius: float) -> Fault:
    """A ball of another patient's tissue (mm) away from the lesion."""

    def made(inputs: FaultInputs) -> list[Scan]:
        def planted(scan: Scan) -> Scan:
            where = _ball(inputs, scan, radius)
            return stored(scan, np.where(where, _strange(inputs, scan), scan.voxels))

        return with_follow_up(pair(inputs), planted)

    return made


def half_of_another(inputs: FaultInputs) -> list[Scan]:
    """One hemisphere of the follow-up is another patient's."""

    def planted(scan: Scan) -> Scan:
        half = np.arange(scan.voxels.shape[0]) < scan.voxels.shape[0] / 2
        strange = _strange(inputs, scan)
        return stored(scan, np.where(half[:, None, None], strange, scan.voxels))

    return with_follow_up(pair(inputs), planted)


def foreign_texture(inputs: FaultInputs) -> list[Scan]:
    """The fine structure of the follow-up is another patient's."""

    def planted(scan: Scan) -> Scan:
        strange = _strange(inputs, scan)
        fine = strange - ndimage.gaussian_filter(strange, 1.5)
        return stored(scan, ndimage.gaussian_filter(scan.voxels, 1.5) + fine)

    return with_follow_up(pair(inputs), planted)


def random_texture(inputs: FaultInputs) -> list[Scan]:
    """The fine structure of the follow-up keeps its spectrum and loses its places."""

    def planted(scan: Scan) -> Scan:
        brain = scan.voxels > 0
        smooth = ndimage.gaussian_filter(scan.voxels, 1.5)
        fine = np.where(ndimage.binary_erosion(brain, iterations=2), scan.voxels - smooth, 0.0)
        noise = np.fft.rfftn(inputs.random.normal(size=fine.shape))
        drawn = np.fft.irfftn(np.abs(np.fft.rfftn(fine)) * noise / np.abs(noise), fine.shape)
        return stored(scan, smooth + drawn * fine[brain].std() / drawn[brain].std())

    return with_follow_up(pair(inputs), planted)


def bent(reach: float, sigma: float) -> Fault:
    """Tissue is pushed by up to `reach` mm within about `sigma` mm of a place."""

    def made(inputs: FaultInputs) -> list[Scan]:
        def planted(scan: Scan) -> Scan:
            where = _place(inputs, scan, 2 * sigma)
            side = spacing_of(scan.affine)[:, None, None, None]
            steps = (np.indices(scan.voxels.shape) - where[:, None, None, None]) * side
            bump = reach * np.exp(-(steps**2).sum(0) / (2 * sigma**2))
            way = inputs.random.normal(size=3)
            way /= np.linalg.norm(way)
            index = np.indices(scan.voxels.shape) - bump * way[:, None, None, None] / side
            return stored(scan, ndimage.map_coordinates(scan.voxels, index, order=1))

        return with_follow_up(pair(inputs), planted)

    return made


def scaled(factor: float) -> Fault:
    """The anatomy of the follow-up is larger."""

    def made(inputs: FaultInputs) -> list[Scan]:
        def planted(scan: Scan) -> Scan:
            middle_of = (np.array(scan.voxels.shape) - 1) / 2
            offset = middle_of - middle_of / factor
            zoomed = ndimage.affine_transform(scan.voxels, np.eye(3) / factor, offset, order=1)
            mask = ndimage.affine_transform(
                scan.mask.astype(np.float32), np.eye(3) / factor, offset, order=1
            )
            return replace(scan, voxels=np.round(zoomed), mask=mask > 0.5)

        return with_follow_up(pair(inputs), planted)

    return made


def wrong_header(inputs: FaultInputs) -> list[Scan]:
    """The header of the follow-up says 5 % larger voxels."""
    return with_follow_up(
        pair(inputs), lambda scan: replace(scan, affine=scan.affine @ np.diag([1.05] * 3 + [1]))
    )


def flipped_contrast(inputs: FaultInputs) -> list[Scan]:
    """Bright tissue of the follow-up is dark, and dark tissue bright."""
    top = 1.4 * inputs.patient.tissue
    return with_follow_up(pair(inputs), lambda scan: stored(scan, top - scan.voxels))


def blurred(inputs: FaultInputs) -> list[Scan]:
    """The follow-up is much less sharp than the scan before."""
    return with_follow_up(
        pair(inputs), lambda scan: stored(scan, ndimage.gaussian_filter(scan.voxels, 1.2))
    )


def _strange(inputs: FaultInputs, scan: Scan) -> Volume:
    """The other patient's brain where this one's is, in its contrast."""
    visit = replace(growing(inputs.random, months=(0,))[0], lesions=())
    other = scanned(inputs.other, visit, 1)
    centres = [np.array(ndimage.center_of_mass(one.voxels > 0)) for one in (scan, other)]
    moved = ndimage.shift(other.voxels, (centres[0] - centres[1]), order=1)
    full = np.zeros(scan.voxels.shape, dtype=np.float32)
    box = tuple(slice(0, min(a, b)) for a, b in zip(scan.voxels.shape, moved.shape, strict=True))
    full[box] = moved[box]
    return full * inputs.patient.tissue / inputs.other.tissue


def _place(inputs: FaultInputs, scan: Scan, radius: float) -> NDArray[np.int64]:
    """A voxel with room for a ball in the brain and away from the lesion."""
    side = spacing_of(scan.affine)
    depth = ndimage.distance_transform_edt(scan.voxels > 0, sampling=side)
    away = ndimage.distance_transform_edt(~scan.mask, sampling=side)
    fits = np.argwhere((depth > min(radius, 14)) & (away > radius + 10))
    if len(fits) == 0:
        fits = np.argwhere(away > radius + 10)
    return np.asarray(inputs.random.choice(fits), dtype=np.int64)


def _ball(inputs: FaultInputs, scan: Scan, radius: float) -> NDArray[np.bool_]:
    steps = np.indices(scan.voxels.shape).T - _place(inputs, scan, radius)
    return np.asarray(radius >= np.linalg.norm(steps * spacing_of(scan.affine), axis=-1).T)


FAULTS: Mapping[str, Fault] = {
    "another patient": another_patient,
    "mirrored": mirrored,
    "order swapped, growth stated": swapped(stated=True),
    "order swapped, nothing stated": swapped(stated=False),
    "frozen copy": frozen(),
    "frozen copy, noise 0.25": frozen(noise=0.25),
    "frozen copy, noise 0.5": frozen(noise=0.5),
    "frozen copy, noise 1": frozen(noise=1.0),
    "frozen copy, gain 1.1": frozen(gain=1.1),
    "frozen copy, shift 0.4 mm": frozen(shift=0.4),
    "frozen copy, blur 0.8 mm": frozen(blur=0.8),
    "foreign ball of 12 mm": foreign_ball(12),
    "foreign ball of 16 mm": foreign_ball(16),
    "foreign ball of 20 mm": foreign_ball(20),
    "another's fine structure": foreign_texture,
    "random fine structure": random_texture,
    "fold of 14 mm": bent(14, 6),
    "fold of 20 mm": bent(20, 8),
    "3 % larger": scaled(1.03),
    "5 % larger": scaled(1.05),
    "header 5 % larger": wrong_header,
    "x4 in 30 days, 3 mm": impossible_growth(3),
    "x4 in 30 days, 6 mm": impossible_growth(6),
    "x4 in 30 days, 12 mm": impossible_growth(12),
    "stated doubling 3 times off, 3 mm": misstated_growth(3),
    "stated doubling 3 times off, 6 mm": misstated_growth(6),
    "stated doubling 3 times off, 12 mm": misstated_growth(12),
    "shrinks where growth is stated": shrinking,
    "lesion frozen where growth is stated": frozen_lesion,
    "mask 3 mm outside": mask_outside(3),
    "mask 7 mm outside": mask_outside(7),
    "lesion elsewhere": teleported,
    "lesion's contrast flipped": flipped_lesion,
    "contrast flipped": flipped_contrast,
}
"""Name to fault, of which a series should not pass."""

HELD_OUT: Mapping[str, Fault] = {
    "one hemisphere of another patient": half_of_another,
    "upside down": upside_down,
    "frozen copy, bias 10 %, noise 0.25, shift 0.3 mm": frozen(noise=0.25, shift=0.3, bias=0.1),
    "frozen copy, lesion too": frozen(noise=0.25, repainted=False),
    "volume jumps up and back": jump,
    "doubles where stable is stated": doubles_though_stable,
    "follow-up blurred by 2.4 mm": blurred,
    "bump of 8 mm": bent(8, 8),
    "tissue gives way four times over": overwhelming,
}
"""Kinds that no limit was chosen by."""
