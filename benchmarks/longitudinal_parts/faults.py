"""Series with one fault each, made from a consistent one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.longitudinal_parts import growing as visits_of
from benchmarks.longitudinal_parts.courses import doubled, growing, scans_of, seen_again
from benchmarks.longitudinal_parts.growing import Lesion, Visit, middle
from benchmarks.longitudinal_parts.patients import Patient
from pytest_safegen import Scan
from pytest_safegen.api import spacing_of
from safegen_detectors.longitudinal.inputs.pathologies import DAYS_PER_MONTH

Volume = NDArray[np.float32]
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Given:
    """What a fault is made of: a patient, another one, and chance."""

    patient: Patient
    other: Patient
    random: Random


Fault = Callable[[Given], list[Scan]]


def _pair(given: Given) -> list[Scan]:
    return scans_of(given.patient, growing(given.random, months=(0, 3)))


def _stored(scan: Scan, values: NDArray[np.float64] | Volume) -> Scan:
    """The scan with other values inside the brain, as whole numbers."""
    whole = np.clip(np.round(values), 1, 255)
    return replace(scan, voxels=np.where(scan.voxels > 0, whole, 0).astype(np.float32))


def _with_follow_up(scans: list[Scan], change: Callable[[Scan], Scan]) -> list[Scan]:
    return [*scans[:-1], change(scans[-1])]


def another_patient(given: Given) -> list[Scan]:
    """The follow-up is another patient's, with the lesion that the course asks for."""
    visits = growing(given.random, months=(0, 3))
    first, second = scans_of(given.patient, visits)
    other = scans_of(given.other, visits)[1]
    return [first, replace(other, ref=second.ref)]


def mirrored(given: Given) -> list[Scan]:
    """Left and right of the follow-up are exchanged, mask and all."""

    def flipped(scan: Scan) -> Scan:
        mask = None if scan.mask is None else scan.mask[::-1].copy()
        return replace(scan, voxels=scan.voxels[::-1].copy(), mask=mask)

    return _with_follow_up(_pair(given), flipped)


def upside_down(given: Given) -> list[Scan]:
    """The follow-up stands on its head."""
    return _with_follow_up(
        _pair(given),
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

    def made(given: Given) -> list[Scan]:
        first, second = _same_background(given, repainted=repainted)
        side = float(spacing_of(second.affine)[0])
        values = second.voxels.astype(np.float64)
        if shift:
            values = ndimage.shift(values, np.array([0.7, 0.6, 0.4]) * shift / side, order=3)
        if blur:
            values = ndimage.gaussian_filter(values, blur / side)
        ramp = np.linspace(-1, 1, values.shape[1])[None, :, None]
        values = gain * values * (1 + bias * ramp)
        values = values + given.random.normal(0, noise * given.patient.noise, values.shape)
        return [first, _stored(second, values)]

    return made


def _same_background(given: Given, *, repainted: bool) -> list[Scan]:
    first, second = growing(given.random, months=(0, 3))
    still = replace(first, mass_effect=0.0)
    lesions = second.lesions if repainted else first.lesions
    return scans_of(given.patient, [still, replace(still, months=second.months, lesions=lesions)])


def foreign_ball(radius: float) -> Fault:
    """A ball of another patient's tissue (mm) away from the lesion."""

    def made(given: Given) -> list[Scan]:
        def planted(scan: Scan) -> Scan:
            where = _ball(given, scan, radius)
            return _stored(scan, np.where(where, _strange(given, scan), scan.voxels))

        return _with_follow_up(_pair(given), planted)

    return made


def half_of_another(given: Given) -> list[Scan]:
    """One hemisphere of the follow-up is another patient's."""

    def planted(scan: Scan) -> Scan:
        half = np.arange(scan.voxels.shape[0]) < scan.voxels.shape[0] / 2
        strange = _strange(given, scan)
        return _stored(scan, np.where(half[:, None, None], strange, scan.voxels))

    return _with_follow_up(_pair(given), planted)


def foreign_texture(given: Given) -> list[Scan]:
    """The fine structure of the follow-up is another patient's."""

    def planted(scan: Scan) -> Scan:
        strange = _strange(given, scan)
        fine = strange - ndimage.gaussian_filter(strange, 1.5)
        return _stored(scan, ndimage.gaussian_filter(scan.voxels, 1.5) + fine)

    return _with_follow_up(_pair(given), planted)


def random_texture(given: Given) -> list[Scan]:
    """The fine structure of the follow-up keeps its spectrum and loses its places."""

    def planted(scan: Scan) -> Scan:
        brain = scan.voxels > 0
        smooth = ndimage.gaussian_filter(scan.voxels, 1.5)
        fine = np.where(ndimage.binary_erosion(brain, iterations=2), scan.voxels - smooth, 0.0)
        noise = np.fft.rfftn(given.random.normal(size=fine.shape))
        drawn = np.fft.irfftn(np.abs(np.fft.rfftn(fine)) * noise / np.abs(noise), fine.shape)
        return _stored(scan, smooth + drawn * fine[brain].std() / drawn[brain].std())

    return _with_follow_up(_pair(given), planted)


def bent(reach: float, sigma: float) -> Fault:
    """Tissue is pushed by up to `reach` mm within about `sigma` mm of a place."""

    def made(given: Given) -> list[Scan]:
        def planted(scan: Scan) -> Scan:
            where = _place(given, scan, 2 * sigma)
            side = spacing_of(scan.affine)[:, None, None, None]
            steps = (np.indices(scan.voxels.shape) - where[:, None, None, None]) * side
            bump = reach * np.exp(-(steps**2).sum(0) / (2 * sigma**2))
            way = given.random.normal(size=3)
            way /= np.linalg.norm(way)
            index = np.indices(scan.voxels.shape) - bump * way[:, None, None, None] / side
            return _stored(scan, ndimage.map_coordinates(scan.voxels, index, order=1))

        return _with_follow_up(_pair(given), planted)

    return made


def scaled(factor: float) -> Fault:
    """The anatomy of the follow-up is larger."""

    def made(given: Given) -> list[Scan]:
        def planted(scan: Scan) -> Scan:
            middle_of = (np.array(scan.voxels.shape) - 1) / 2
            offset = middle_of - middle_of / factor
            zoomed = ndimage.affine_transform(scan.voxels, np.eye(3) / factor, offset, order=1)
            mask = ndimage.affine_transform(
                scan.mask.astype(np.float32), np.eye(3) / factor, offset, order=1
            )
            return replace(scan, voxels=np.round(zoomed), mask=mask > 0.5)

        return _with_follow_up(_pair(given), planted)

    return made


def wrong_header(given: Given) -> list[Scan]:
    """The header of the follow-up says 5 % larger voxels."""
    return _with_follow_up(
        _pair(given), lambda scan: replace(scan, affine=scan.affine @ np.diag([1.05] * 3 + [1]))
    )


def impossible_growth(diameter: float) -> Fault:
    """The lesion of some mm has four times its volume after 30 days."""

    def made(given: Given) -> list[Scan]:
        pathology = str(given.random.choice(["meningioma", "low-grade glioma"]))
        radii = diameter / 2, diameter / 2 * 4 ** (1 / 3)
        return _lesions(given, zip((0.0, 1.0), radii, strict=True), pathology=pathology)

    return made


def misstated_growth(diameter: float) -> Fault:
    """The text asks for a doubling time, and the mask takes three times as long."""

    def made(given: Given) -> list[Scan]:
        stated = float(given.random.uniform(30, 50))
        last = doubled(diameter / 2, days=3 * DAYS_PER_MONTH, doubling=3 * stated)
        return _lesions(
            given,
            ((0.0, diameter / 2), (3.0, last)),
            pathology="glioblastoma",
            growth_model="exponential",
            doubling_days=f"{stated:.1f}",
        )

    return made


def shrinking(given: Given) -> list[Scan]:
    """The text says that it grows, and it loses half of its volume."""
    radius = float(given.random.uniform(6, 10))
    return _lesions(
        given,
        ((0.0, radius), (3.0, radius * 0.5 ** (1 / 3))),
        pathology="glioblastoma",
        prompt="growing glioblastoma, untreated",
    )


def doubles_though_stable(given: Given) -> list[Scan]:
    """The text says stable."""
    radius = float(given.random.uniform(6, 10))
    return _lesions(
        given,
        ((0.0, radius), (12.0, radius * 2 ** (1 / 3))),
        pathology="meningioma",
        prompt="stable meningioma",
    )


def jump(given: Given) -> list[Scan]:
    """The lesion triples at one visit and is back at the next."""
    radius = float(given.random.uniform(6, 9))
    radii = (radius, radius * 1.03, radius * 3 ** (1 / 3), radius * 1.07)
    return _lesions(
        given, zip((0.0, 3.0, 6.0, 9.0), radii, strict=True), pathology="low-grade glioma"
    )


def overwhelming(given: Given) -> list[Scan]:
    """Tissue gives way by four times of what the lesion gains."""
    visits = [
        Visit(month, (Lesion(radius),), mass_effect=4.0, labels={"pathology": "low-grade glioma"})
        for month, radius in ((0.0, 6.0), (12.0, 8.0))
    ]
    return scans_of(given.patient, [seen_again(visit, given.random) for visit in visits])


def frozen_lesion(given: Given) -> list[Scan]:
    """The text asks for growth, the lesion keeps its very shape."""
    radius = float(given.random.uniform(6, 10))
    return _lesions(
        given,
        ((0.0, radius), (6.0, radius)),
        pathology="glioblastoma",
        prompt="growing glioblastoma, untreated",
    )


def _lesions(given: Given, sizes: object, **labels: str) -> list[Scan]:
    visits = [
        seen_again(Visit(month, (Lesion(radius),), labels=labels), given.random)
        for month, radius in sizes  # type: ignore[attr-defined]
    ]
    return scans_of(given.patient, visits)


def swapped(*, stated: bool) -> Fault:
    """Two of three visits are exchanged, their months are not."""

    def made(given: Given) -> list[Scan]:
        scans = scans_of(given.patient, growing(given.random))
        a, b = ((0, 2), (1, 2), (0, 1))[int(given.random.integers(3))]
        order = list(range(3))
        order[a], order[b] = order[b], order[a]
        moved = [replace(scans[n], ref=scans[place].ref) for place, n in enumerate(order)]
        return moved if stated else [_untold(scan) for scan in moved]

    return made


def _untold(scan: Scan) -> Scan:
    """Only the pathology is known."""
    return replace(scan, ref=replace(scan.ref, labels={"pathology": "glioblastoma"}))


def mask_outside(reach: float, *, diameter: float = 10.0) -> Fault:
    """A mask that leaves the brain by some mm."""

    def made(given: Given) -> list[Scan]:
        def planted(scan: Scan) -> Scan:
            brain = ndimage.binary_fill_holes(scan.voxels > 0)
            side = spacing_of(scan.affine)
            depth = ndimage.distance_transform_edt(brain, sampling=side)
            off = ndimage.distance_transform_edt(~brain, sampling=side)
            height = np.where(brain, -depth, off)
            wanted = reach - diameter / 2
            top = np.arange(scan.voxels.shape[2]) > scan.voxels.shape[2] / 2
            fits = np.argwhere((np.abs(height - wanted) < side[0] / 2) & top[None, None])
            where = given.random.choice(fits)
            steps = (np.indices(scan.voxels.shape).T - where) * side
            return replace(scan, mask=(diameter / 2 >= np.linalg.norm(steps, axis=-1).T))

        return [planted(scan) if n else scan for n, scan in enumerate(_pair(given))]

    return made


def teleported(given: Given) -> list[Scan]:
    """The lesion is gone, and one of its size is 35 mm and more away."""
    radius = float(given.random.uniform(6, 9))
    away = given.random.normal(size=3)
    inward = -middle(given.patient) + given.patient.affine[:3] @ [
        *ndimage.center_of_mass(given.patient.brain),
        1.0,
    ]
    away = away / np.linalg.norm(away) + 1.5 * inward / np.linalg.norm(inward)
    away = tuple(float(x) for x in 38 * away / np.linalg.norm(away))
    labels = {"pathology": "glioblastoma"}
    visits = [
        Visit(0.0, (Lesion(radius),), labels=labels),
        Visit(2.0, (Lesion(radius, away),), labels=labels),
    ]
    return scans_of(given.patient, [seen_again(visit, given.random) for visit in visits])


def flipped_lesion(given: Given) -> list[Scan]:
    """The lesion is as much darker than the tissue as it was brighter."""

    def planted(scan: Scan) -> Scan:
        soft = ndimage.gaussian_filter(scan.mask.astype(np.float64), 0.5)
        dark = 2 * given.patient.tissue - scan.voxels
        return _stored(scan, soft * dark + (1 - soft) * scan.voxels)

    return _with_follow_up(_pair(given), planted)


def flipped_contrast(given: Given) -> list[Scan]:
    """Bright tissue of the follow-up is dark, and dark tissue bright."""
    top = 1.4 * given.patient.tissue
    return _with_follow_up(_pair(given), lambda scan: _stored(scan, top - scan.voxels))


def blurred(given: Given) -> list[Scan]:
    """The follow-up is much less sharp than the scan before."""
    return _with_follow_up(
        _pair(given), lambda scan: _stored(scan, ndimage.gaussian_filter(scan.voxels, 1.2))
    )


def _strange(given: Given, scan: Scan) -> Volume:
    """The other patient's brain where this one's is, in its contrast."""
    visit = replace(growing(given.random, months=(0,))[0], lesions=())
    other = visits_of.scanned(given.other, visit, 1)
    centres = [np.array(ndimage.center_of_mass(one.voxels > 0)) for one in (scan, other)]
    moved = ndimage.shift(other.voxels, (centres[0] - centres[1]), order=1)
    full = np.zeros(scan.voxels.shape, dtype=np.float32)
    box = tuple(slice(0, min(a, b)) for a, b in zip(scan.voxels.shape, moved.shape, strict=True))
    full[box] = moved[box]
    return full * given.patient.tissue / given.other.tissue


def _place(given: Given, scan: Scan, radius: float) -> NDArray[np.int64]:
    """A voxel with room for a ball in the brain and away from the lesion."""
    side = spacing_of(scan.affine)
    depth = ndimage.distance_transform_edt(scan.voxels > 0, sampling=side)
    away = ndimage.distance_transform_edt(~scan.mask, sampling=side)
    fits = np.argwhere((depth > min(radius, 14)) & (away > radius + 10))
    if len(fits) == 0:
        fits = np.argwhere(away > radius + 10)
    return np.asarray(given.random.choice(fits), dtype=np.int64)


def _ball(given: Given, scan: Scan, radius: float) -> NDArray[np.bool_]:
    steps = np.indices(scan.voxels.shape).T - _place(given, scan, radius)
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
