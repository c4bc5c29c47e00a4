"""Faults of lesions: their growth, their order, their mask and their contrast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from benchmarks.longitudinal_parts.consistent import doubled, growing, scans_of, seen_again
from benchmarks.longitudinal_parts.fault_inputs import (
    Fault,
    FaultInputs,
    pair,
    stored,
    with_follow_up,
)
from benchmarks.longitudinal_parts.visits import Lesion, Visit, middle
from pytest_safegen import Scan
from pytest_safegen.api import spacing_of
from safegen_detectors.longitudinal.inputs.pathologies import DAYS_PER_MONTH


def impossible_growth(diameter: float) -> Fault:
    """The lesion of some mm has four times its volume after 30 days."""

    def made(inputs: FaultInputs) -> list[Scan]:
        pathology = str(inputs.random.choice(["meningioma", "low-grade glioma"]))
        radii = diameter / 2, diameter / 2 * 4 ** (1 / 3)
        return _lesions(inputs, zip((0.0, 1.0), radii, strict=True), pathology=pathology)

    return made


def misstated_growth(diameter: float) -> Fault:
    """The text asks for a doubling time, and the mask takes three times as long."""

    def made(inputs: FaultInputs) -> list[Scan]:
        stated = float(inputs.random.uniform(30, 50))
        last = doubled(diameter / 2, days=3 * DAYS_PER_MONTH, doubling=3 * stated)
        return _lesions(
            inputs,
            ((0.0, diameter / 2), (3.0, last)),
            pathology="glioblastoma",
            growth_model="exponential",
            doubling_days=f"{stated:.1f}",
        )

    return made


def shrinking(inputs: FaultInputs) -> list[Scan]:
    """The text says that it grows, and it loses half of its volume."""
    radius = float(inputs.random.uniform(6, 10))
    return _lesions(
        inputs,
        ((0.0, radius), (3.0, radius * 0.5 ** (1 / 3))),
        pathology="glioblastoma",
        prompt="growing glioblastoma, untreated",
    )


def doubles_though_stable(inputs: FaultInputs) -> list[Scan]:
    """The text says stable."""
    radius = float(inputs.random.uniform(6, 10))
    return _lesions(
        inputs,
        ((0.0, radius), (12.0, radius * 2 ** (1 / 3))),
        pathology="meningioma",
        prompt="stable meningioma",
    )


def jump(inputs: FaultInputs) -> list[Scan]:
    """The lesion triples at one visit and is back at the next."""
    radius = float(inputs.random.uniform(6, 9))
    radii = (radius, radius * 1.03, radius * 3 ** (1 / 3), radius * 1.07)
    return _lesions(
        inputs, zip((0.0, 3.0, 6.0, 9.0), radii, strict=True), pathology="low-grade glioma"
    )


def overwhelming(inputs: FaultInputs) -> list[Scan]:
    """Tissue gives way by four times of what the lesion gains."""
    visits = [
        Visit(month, (Lesion(radius),), mass_effect=4.0, labels={"pathology": "low-grade glioma"})
        for month, radius in ((0.0, 6.0), (12.0, 8.0))
    ]
    return scans_of(inputs.patient, [seen_again(visit, inputs.random) for visit in visits])


def frozen_lesion(inputs: FaultInputs) -> list[Scan]:
    """The text asks for growth, the lesion keeps its very shape."""
    radius = float(inputs.random.uniform(6, 10))
    return _lesions(
        inputs,
        ((0.0, radius), (6.0, radius)),
        pathology="glioblastoma",
        prompt="growing glioblastoma, untreated",
    )


def _lesions(inputs: FaultInputs, sizes: object, **labels: str) -> list[Scan]:
    visits = [
        seen_again(Visit(month, (Lesion(radius),), labels=labels), inputs.random)
        for month, radius in sizes  # type: ignore[attr-defined]
    ]
    return scans_of(inputs.patient, visits)


def swapped(*, stated: bool) -> Fault:
    """Two of three visits are exchanged, their months are not."""

    def made(inputs: FaultInputs) -> list[Scan]:
        scans = scans_of(inputs.patient, growing(inputs.random))
        a, b = ((0, 2), (1, 2), (0, 1))[int(inputs.random.integers(3))]
        order = list(range(3))
        order[a], order[b] = order[b], order[a]
        moved = [replace(scans[n], ref=scans[place].ref) for place, n in enumerate(order)]
        return moved if stated else [_with_pathology_only(scan) for scan in moved]

    return made


def _with_pathology_only(scan: Scan) -> Scan:
    """Only the pathology is known."""
    return replace(scan, ref=replace(scan.ref, labels={"pathology": "glioblastoma"}))


def mask_outside(reach: float, *, diameter: float = 10.0) -> Fault:
    """A mask that leaves the brain by some mm."""

    def made(inputs: FaultInputs) -> list[Scan]:
        def planted(scan: Scan) -> Scan:
            brain = ndimage.binary_fill_holes(scan.voxels > 0)
            side = spacing_of(scan.affine)
            depth = ndimage.distance_transform_edt(brain, sampling=side)
            off = ndimage.distance_transform_edt(~brain, sampling=side)
            height = np.where(brain, -depth, off)
            wanted = reach - diameter / 2
            top = np.arange(scan.voxels.shape[2]) > scan.voxels.shape[2] / 2
            fits = np.argwhere((np.abs(height - wanted) < side[0] / 2) & top[None, None])
            where = inputs.random.choice(fits)
            steps = (np.indices(scan.voxels.shape).T - where) * side
            return replace(scan, mask=(diameter / 2 >= np.linalg.norm(steps, axis=-1).T))

        return [planted(scan) if n else scan for n, scan in enumerate(pair(inputs))]

    return made


def teleported(inputs: FaultInputs) -> list[Scan]:
    """The lesion is gone, and one of its size is 35 mm and more away."""
    radius = float(inputs.random.uniform(6, 9))
    away = inputs.random.normal(size=3)
    inward = -middle(inputs.patient) + inputs.patient.affine[:3] @ [
        *ndimage.center_of_mass(inputs.patient.brain),
        1.0,
    ]
    away = away / np.linalg.norm(away) + 1.5 * inward / np.linalg.norm(inward)
    away = tuple(float(x) for x in 38 * away / np.linalg.norm(away))
    labels = {"pathology": "glioblastoma"}
    visits = [
        Visit(0.0, (Lesion(radius),), labels=labels),
        Visit(2.0, (Lesion(radius, away),), labels=labels),
    ]
    return scans_of(inputs.patient, [seen_again(visit, inputs.random) for visit in visits])


def flipped_lesion(inputs: FaultInputs) -> list[Scan]:
    """The lesion is as much darker than the tissue as it was brighter."""

    def planted(scan: Scan) -> Scan:
        soft = ndimage.gaussian_filter(scan.mask.astype(np.float64), 0.5)
        dark = 2 * inputs.patient.tissue - scan.voxels
        return stored(scan, soft * dark + (1 - soft) * scan.voxels)

    return with_follow_up(pair(inputs), planted)
