"""Measures of the acquisition: order in time, voxel grids, and registration that is declared."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pytest_safegen.api import Measure
from safegen_detectors.longitudinal.inputs.geometry import (
    axis_codes,
    format_spacing,
    spacing_change,
)
from safegen_detectors.longitudinal.inputs.metadata import read_label, scan_name
from safegen_detectors.longitudinal.registration import pair_name, share_voxel_grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_safegen.api import ScanRef
    from safegen_detectors.longitudinal.registration import Alignment


MAX_VISIT_DIGITS = 3


def time_reversals(months: Sequence[float | None]) -> list[tuple[int, int]]:
    """Positions of scans with a known month, and of the next such scan, if that is not later."""
    known = [(position, month) for position, month in enumerate(months) if month is not None]
    return [(first, second) for (first, a), (second, b) in pairwise(known) if b <= a]


def visit_numbers(sessions: Sequence[str | None]) -> list[int] | None:
    """The numbers of sessions such as 01, 02 or m06, m12.

    None where the names differ in more than a number of at most three digits: then they are dates
    or codes, which need not follow time.
    """
    parts = [re.fullmatch(r"(\D*)(\d+)(\D*)", session or "") for session in sessions]
    found = [part.groups() for part in parts if part]
    if len(found) < len(sessions) or len({(before, after) for before, _, after in found}) != 1:
        return None
    if max(len(number) for _, number, _ in found) > MAX_VISIT_DIGITS:
        return None
    return [int(number) for _, number, _ in found]


def timeline_measures(refs: Sequence[ScanRef]) -> list[Measure]:
    """Order in time of the scans of one modality; months that are unknown are only counted."""
    unknown = sum(ref.months is None for ref in refs)
    return [
        Measure("months_unknown", unknown, "scans"),
        _time_reversals(refs),
        *_session_reversals(refs),
    ]


def _time_reversals(refs: Sequence[ScanRef]) -> Measure:
    reversals = time_reversals([ref.months for ref in refs])
    message = ""
    if reversals:
        first, second = (refs[position] for position in reversals[0])
        message = (
            f"time does not advance from {scan_name(first)} at month {first.months:g} to "
            f"{scan_name(second)} at month {second.months:g}, the next scan of the series"
        )
    return Measure(
        "time_reversals", len(reversals), "steps", message, "Timepoints in the wrong order"
    )


def _session_reversals(refs: Sequence[ScanRef]) -> list[Measure]:
    """Sessions numbered against their months; a series comes ordered by months already."""
    timed = [ref for ref in refs if ref.months is not None]
    numbers = visit_numbers([ref.session for ref in timed])
    if numbers is None or len(timed) < 2:
        return []
    timed = [ref for _, ref in sorted(zip(numbers, timed, strict=True), key=lambda pair: pair[0])]
    reversals = time_reversals([ref.months for ref in timed])
    message = ""
    if reversals:
        first, second = (timed[position] for position in reversals[0])
        message = (
            f"{scan_name(first)} at month {first.months:g} is numbered before {scan_name(second)} "
            f"at month {second.months:g}, which is not later"
        )
    headline = "Sessions numbered against their months"
    return [Measure("session_reversals", len(reversals), "steps", message, headline)]


def grid_measures(aligned: Alignment) -> list[Measure]:
    """Change of voxel size and of orientation, and the share of the body seen in both scans."""
    first, second = aligned.earlier.scan.affine, aligned.later.scan.affine
    codes = axis_codes(first), axis_codes(second)
    sizes = format_spacing(first), format_spacing(second)
    coverage = aligned.coverage
    pair = pair_name(aligned)
    return [
        Measure(
            "spacing_change",
            spacing_change(first, second),
            "",
            f"the voxel size changes {pair}, from {sizes[0]} to {sizes[1]}",
            "Voxel size changed between timepoints",
        ),
        Measure(
            "orientation_change",
            float(codes[0] != codes[1]),
            "",
            f"the voxel axes turn from {codes[0]} to {codes[1]} {pair}",
            f"Voxel axes turned from {codes[0]} to {codes[1]}",
        ),
        Measure(
            "coverage",
            coverage,
            "",
            f"only {coverage:.0%} of the smaller body is in both fields of view {pair}",
            f"Fields of view share only {coverage:.0%} of the body",
        ),
    ]


def declared_grid_measures(aligned: Alignment) -> list[Measure]:
    """Whether scans labelled `same_grid` or `coregistered` are; nothing where one lacks it."""
    labels = aligned.earlier.ref.labels, aligned.later.ref.labels
    found = []
    if all(read_label(one, "same_grid") for one in labels):
        found.append(_grid_changed(aligned))
    if all(read_label(one, "coregistered") for one in labels):
        found += _registration_measures(aligned)
    return found


def _grid_changed(aligned: Alignment) -> Measure:
    message = (
        f"the voxel grid changes {pair_name(aligned)}, although the metadata state one grid for "
        "all timepoints"
    )
    headline = "Voxel grid changed between timepoints, stated the same"
    changed = float(not share_voxel_grid(aligned))
    return Measure("grid_changed_despite_same_grid", changed, "", message, headline)


def _registration_measures(aligned: Alignment) -> list[Measure]:
    shift, turn = _registration_offset(aligned)
    pair = pair_name(aligned)
    stated = "although the metadata state that the scans are registered"
    return [
        Measure(
            "registration_shift",
            shift,
            "mm",
            f"the anatomy shifts by {shift:.1f} mm {pair}, {stated}",
            f"Anatomy shifted by {shift:.1f} mm, stated registered",
        ),
        Measure(
            "registration_turn",
            turn,
            "degrees",
            f"the anatomy turns by {turn:.1f} degrees {pair}, {stated}",
            f"Anatomy turned by {turn:.1f} degrees, stated registered",
        ),
    ]


def _registration_offset(aligned: Alignment) -> tuple[float, float]:
    """Shift of the middle of the anatomy by the registration, mm, and its turn, degrees."""
    index = [float(axis.mean()) for axis in np.nonzero(aligned.zone)]
    middle = aligned.later.prepared.affine @ [*index, 1.0]
    shift = float(np.linalg.norm((aligned.mapping @ middle - middle)[:3]))
    cosine = (float(np.trace(aligned.mapping[:3, :3])) - 1.0) / 2.0
    return shift, float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
