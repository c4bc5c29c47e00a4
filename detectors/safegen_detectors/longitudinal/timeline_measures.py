"""Measures of the order of a patient's scans in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_safegen.api import Measure
from safegen_detectors.longitudinal.timeline import steps_back, visit_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_safegen.api import ScanRef


def timeline_measures(refs: Sequence[ScanRef]) -> list[Measure]:
    """Order in time of the scans of one modality; months that are unknown are only counted."""
    unknown = sum(ref.months is None for ref in refs)
    return [
        Measure("months_unknown", unknown, "scans"),
        _time_disorder(refs),
        *_session_disorder(refs),
    ]


def _time_disorder(refs: Sequence[ScanRef]) -> Measure:
    steps = steps_back([ref.months for ref in refs])
    told = ", ".join("?" if ref.months is None else f"{ref.months:g}" for ref in refs)
    says = f"the times of the scans do not increase (months {told}, in the order of the series)"
    return Measure("time_disorder", len(steps), "steps", says if steps else "")


def _session_disorder(refs: Sequence[ScanRef]) -> list[Measure]:
    """Sessions numbered against their months; a series comes ordered by months already."""
    timed = [ref for ref in refs if ref.months is not None]
    numbers = visit_numbers([ref.session for ref in timed])
    if numbers is None or len(timed) < 2:
        return []
    timed = [ref for _, ref in sorted(zip(numbers, timed, strict=True), key=lambda pair: pair[0])]
    steps = steps_back([ref.months for ref in timed])
    told = ", ".join(f"{ref.session} at month {ref.months:g}" for ref in timed)
    says = f"the sessions are numbered against their times ({told})" if steps else ""
    return [Measure("session_disorder", len(steps), "steps", says)]
