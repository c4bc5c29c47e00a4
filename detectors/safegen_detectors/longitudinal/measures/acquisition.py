"""Measures of the acquisition: order in time, voxel grids, and registration that is declared."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pytest_safegen.api import Measure
from safegen_detectors.longitudinal.inputs.geometry import axis_codes, spacing_change
from safegen_detectors.longitudinal.inputs.metadata import read_label
from safegen_detectors.longitudinal.registration import pair_name, share_voxel_grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_safegen.api import ScanRef
    from safegen_detectors.longitudinal.registration import Alignment


MAX_VISIT_DIGITS = 3


def time_reversals(months: Sequence[float | None]) -> list[int]:
    """The positions of scans that are not later than the scan before; unknown times are passed."""
    known = [(position, month) for position, month in enumerate(months) if month is not None]
    return [later for (_, a), (later, b) in pairwise(known) if b <= a]


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
        _time_disorder(refs),
        *_session_disorder(refs),
    ]


def _time_disorder(refs: Sequence[ScanRef]) -> Measure:
    steps = time_reversals([ref.months for ref in refs])
    told = ", ".join("?" if ref.months is None else f"{ref.months:g}" for ref in refs)
    message = f"the times of the scans do not increase (months {told}, in the order of the series)"
    return Measure("time_disorder", len(steps), "steps", message if steps else "")


def _session_disorder(refs: Sequence[ScanRef]) -> list[Measure]:
    """Sessions numbered against their months; a series comes ordered by months already."""
    timed = [ref for ref in refs if ref.months is not None]
    numbers = visit_numbers([ref.session for ref in timed])
    if numbers is None or len(timed) < 2:
        return []
    timed = [ref for _, ref in sorted(zip(numbers, timed, strict=True), key=lambda pair: pair[0])]
    steps = time_reversals([ref.months for ref in timed])
    told = ", ".join(f"{ref.session} at month {ref.months:g}" for ref in timed)
    message = f"the sessions are numbered against their times ({told})" if steps else ""
    return [Measure("session_disorder", len(steps), "steps", message)]


def grid_measures(aligned: Alignment) -> list[Measure]:
    """Change of voxel size and of orientation, and the share of the body seen in both scans."""
    first, second = aligned.earlier.scan.affine, aligned.later.scan.affine
    spacing = spacing_change(first, second)
    codes = axis_codes(first), axis_codes(second)
    coverage = aligned.coverage
    pair = pair_name(aligned)
    return [
        Measure(
            "spacing_change",
            spacing,
            "",
            f"the voxel size changes by {spacing:.1%} {pair}",
        ),
        Measure(
            "orientation_change",
            float(codes[0] != codes[1]),
            "",
            f"the axes turn from {codes[0]} to {codes[1]} {pair}",
        ),
        Measure(
            "coverage",
            coverage,
            "",
            f"only {coverage:.0%} of the smaller of the two bodies is seen in both scans {pair}",
        ),
    ]


def declared_grid_measures(aligned: Alignment) -> list[Measure]:
    """What the labels `same_grid` and `coregistered` promise, where both scans tell them."""
    labels = aligned.earlier.ref.labels, aligned.later.ref.labels
    pair = pair_name(aligned)
    found = []
    if all(read_label(one, "same_grid") for one in labels):
        message = f"one grid is promised for all timepoints, and it changes {pair}"
        found.append(
            Measure("grid_promise_broken", float(not share_voxel_grid(aligned)), "", message)
        )
    if all(read_label(one, "coregistered") for one in labels):
        shift, turn = _registration_offset(aligned)
        message = f"the scans are said to be registered, and the anatomy is off by {{}} {pair}"
        found += [
            Measure("registration_shift", shift, "mm", message.format(f"{shift:.1f} mm")),
            Measure("registration_turn", turn, "degrees", message.format(f"{turn:.1f} degrees")),
        ]
    return found


def _registration_offset(aligned: Alignment) -> tuple[float, float]:
    """How far the rigid registration moves the middle of the anatomy, mm, and turns it, degrees."""
    index = [float(axis.mean()) for axis in np.nonzero(aligned.zone)]
    middle = aligned.later.prepared.affine @ [*index, 1.0]
    shift = float(np.linalg.norm((aligned.mapping @ middle - middle)[:3]))
    cosine = (float(np.trace(aligned.mapping[:3, :3])) - 1.0) / 2.0
    return shift, float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
