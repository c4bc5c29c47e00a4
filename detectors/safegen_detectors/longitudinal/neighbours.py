"""Does a follow-up fit another patient of the release better than its own patient?

No limit of likeness is needed for that: of two patients the nearer one is the patient. It is asked
where something speaks for two patients, since it takes a registration for each of the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_safegen.api import Measure, NotJudged, ReadError, guess_options, read_scan, spacing_of
from safegen_detectors.longitudinal.alignment import align_once, align_pair
from safegen_detectors.longitudinal.timepoints import Timepoint, timepoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_safegen.api import Scan, ScanRef, SeriesTarget
    from safegen_detectors.longitudinal.alignment import Alignment

SPACING = 3.0  # mm: enough to tell patients apart, and a third of the work of 2 mm
MOST_ASKED = 24  # patients of the release
CLEARLY = 0.05  # of local match, by which another patient is nearer


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A patient of the release, and how well the follow-up fits his or her first scan, -1..1."""

    subject: str
    match: float


def neighbour_measures(pairs: Sequence[Alignment], target: SeriesTarget) -> list[Measure]:
    """How many other patients fit the follow-up of the least alike pair better than its own."""
    doubtful = [one for one in pairs if one.likeness.votes >= _needed(one)]
    worst = min(doubtful, key=lambda one: one.likeness.local_match, default=None)
    if worst is None:
        return []
    try:
        later = _coarse(worst.later.scan, worst.later)
        own = align_pair(_coarse(worst.earlier.scan, later), later).likeness.local_match
    except NotJudged:
        return []
    others = list(_neighbours(later, _first_scans(worst, target)))
    if not others:
        return []
    nearer = sorted((o for o in others if o.match > own + CLEARLY), key=lambda o: -o.match)
    says = f"{worst.later.name} fits {len(nearer)} of {len(others)} other patients better"
    if nearer:
        says = (
            f"{worst.later.name} fits the first scan of {nearer[0].subject} better than that of "
            f"its own patient (local match {nearer[0].match:.2f} against {own:.2f}; {len(others)} "
            "patients of the release were asked)"
        )
    name = "nearer_patients_ct" if later.intensity == "ct" else "nearer_patients"
    return [Measure(name, len(nearer), "patients", says)]


def _needed(aligned: Alignment) -> int:
    """Votes for two patients from which on others are asked; chests differ by breath alone."""
    return 2 if aligned.later.intensity == "ct" else 1


def _first_scans(aligned: Alignment, target: SeriesTarget) -> list[ScanRef]:
    """The first scan of that modality of other patients, from all over the release."""
    modality = aligned.later.ref.modality
    firsts = [
        next((ref for ref in series.refs if ref.modality == modality), None)
        for series in target.among
        if series.target != target.series.target
    ]
    known = [ref for ref in firsts if ref is not None]
    places = np.linspace(0, len(known) - 1, min(len(known), MOST_ASKED)).round().astype(int)
    return [known[place] for place in places]


def _neighbours(later: Timepoint, refs: Sequence[ScanRef]) -> Iterator[Neighbour]:
    """The patients whose scan can be read and laid over the follow-up."""
    for ref in refs:
        try:
            scan = read_scan(ref)
            match = align_once(_coarse(scan, later), later).likeness.local_match
        except (ReadError, NotJudged):
            continue  # this scan has findings of its own
        yield Neighbour(ref.subject, match)


def _coarse(scan: Scan, like: Timepoint) -> Timepoint:
    """A scan on the coarser grid, or on that of `like` where it is coarser still."""
    spacing = max(SPACING, float(spacing_of(like.prepared.affine)[0]))
    options = replace(guess_options(scan), spacing=spacing, intensity=like.intensity)
    return timepoint(scan, options)
