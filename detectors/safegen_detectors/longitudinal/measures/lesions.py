"""Measures of lesion tracking: lesions that vanish, appear, move, change shape or are frozen."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_safegen.api import Measure, spacing_of
from safegen_detectors.longitudinal.inputs.geometry import format_point, inverse, transform_points
from safegen_detectors.longitudinal.inputs.growth_statement import (
    GrowthStatement,
    parse_growth_direction,
    parse_growth_statement,
)
from safegen_detectors.longitudinal.inputs.metadata import is_treated, read_label
from safegen_detectors.longitudinal.inputs.pathologies import DAYS_PER_MONTH, growth_band
from safegen_detectors.longitudinal.maths.lesion_tracking import (
    Lesion,
    LesionMatches,
    elongation,
    farthest_move,
    find_lesions,
    share_outside,
    track_lesions,
)
from safegen_detectors.longitudinal.registration import pair_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from safegen_detectors.longitudinal.registration import Alignment

MATCH_DISTANCE = 10.0  # mm between a lesion and what became of it
MATCH_DISTANCE_LUNG = 15.0  # mm in the lung, where breathing moves nodules
SIMILAR_VOLUME = 1.5  # factor within which a lesion elsewhere has the volume of one that is gone
REGISTRATION_MARGIN = 2.0  # mm, registration
SAME_RATIO, STATED_RATIO = 0.02, 0.10  # ln(V2/V1) of a lesion that stays, and of a stated change
MIN_SHAPE_VOXELS = 100
SINGLE_LESION = r"\b(?:single|solitary|one lesion)\b"


def lesion_measures(aligned: Alignment) -> list[Measure]:
    """Vanished, new, moved and frozen lesions; nothing where a mask is missing.

    Treated lesions, and those that go by themselves, may vanish. New lesions are only counted,
    unless the text speaks of a single one.
    """
    if aligned.earlier.scan.mask is None or aligned.later.scan.mask is None:
        return []
    tracked = track_aligned_lesions(aligned)
    found = [_new_lesions(tracked)]
    if not may_shrink(aligned):
        found.append(_vanished_lesions(tracked))
        found += _moved_lesion(tracked)
        found += _lost_place(tracked)
        found += _shape_change(tracked)
    return found + _unchanged_lesion(tracked)


@dataclass(frozen=True, slots=True)
class TrackedLesions:
    """The lesions of both scans, mm of the later scan's world, and which belong together."""

    aligned: Alignment
    earlier: Sequence[Lesion]
    later: Sequence[Lesion]
    matches: LesionMatches

    @property
    def pair(self) -> str:
        """What a message calls the two timepoints."""
        return pair_name(self.aligned)

    def one_to_one(self) -> list[tuple[int, int]]:
        """Lesions that neither split nor merged."""
        matched = self.matches.matched
        firsts, seconds = [a for a, _ in matched], [b for _, b in matched]
        return [(a, b) for a, b in matched if firsts.count(a) == seconds.count(b) == 1]


def track_aligned_lesions(aligned: Alignment) -> TrackedLesions:
    """The lesions of both scans, matched; nodules move with the breath."""
    back = inverse(aligned.mapping)
    found, later = (
        [] if scan.mask is None else find_lesions(scan.mask, scan.affine)
        for scan in (aligned.earlier.scan, aligned.later.scan)
    )
    earlier = [Lesion(transform_points(part.points, back), part.ml) for part in found]
    reach = MATCH_DISTANCE_LUNG if aligned.later.intensity == "ct" else MATCH_DISTANCE
    return TrackedLesions(aligned, earlier, later, track_lesions(earlier, later, reach=reach))


def may_shrink(aligned: Alignment) -> bool:
    """True after a treatment or a resection, and of lesions that go by themselves."""
    labels = [aligned.earlier.ref.labels, aligned.later.ref.labels]
    return any(map(is_treated, labels)) or growth_band(read_label(labels[1], "pathology")).shrinks


def _vanished_lesions(tracked: TrackedLesions) -> Measure:
    vanished = [tracked.earlier[a] for a in tracked.matches.vanished]
    count, places = len(vanished), _format_places(vanished)
    noun = f"untreated lesion{'s' * (count > 1)}"
    message = f"{count} {noun} of the mask vanished {tracked.pair}, at {places}"
    return Measure("lesions_vanished", count, "lesions", message, f"{count} {noun} vanished")


def _new_lesions(tracked: TrackedLesions) -> Measure:
    text = read_label(tracked.aligned.later.ref.labels, "prompt") or ""
    new = [tracked.later[b] for b in tracked.matches.new]
    count, places = len(new), _format_places(new)
    if not re.search(SINGLE_LESION, text):
        return Measure("lesions_new", count, "lesions")
    message = f"{count} lesions appear {tracked.pair}, at {places}, although one lesion is stated"
    headline = f"New lesions at follow-up: {count}, a single lesion is stated"
    return Measure("unexpected_new_lesions", count, "lesions", message, headline)


def _format_places(lesions: Sequence[Lesion]) -> str:
    """The centres of the first three."""
    return ", ".join(format_point(lesion.centre.tolist()) for lesion in lesions[:3])


def _moved_lesion(tracked: TrackedLesions) -> list[Measure]:
    """How far the only lesion went; of several, one may go and another come."""
    if not len(tracked.earlier) == len(tracked.later) == 1:
        return []
    (earlier,), (later,) = tracked.earlier, tracked.later
    distance = farthest_move(
        tracked.earlier, tracked.later, tracked.matches, volume_factor=SIMILAR_VOLUME
    )
    message = (
        f"the lesion at {format_point(earlier.centre.tolist())} is gone and one of its volume is "
        f"new {distance:.0f} mm away at {format_point(later.centre.tolist())} {tracked.pair}; "
        "lesions do not move"
    )
    return [Measure("lesion_moved", distance, "mm", message, f"Lesion moved by {distance:.0f} mm")]


def _lost_place(tracked: TrackedLesions) -> list[Measure]:
    """How much of a growing lesion's first place is lesion no more; lesions in pairs only."""
    shares = [
        share_outside(tracked.earlier[a], tracked.later[b], margin=REGISTRATION_MARGIN)
        for a, b in tracked.one_to_one()
        if tracked.later[b].ml > tracked.earlier[a].ml
    ]
    if not shares or tracked.aligned.later.intensity == "ct":
        return []  # nodules move with the breath
    share = max(shares)
    message = f"the lesion grows but leaves {share:.0%} of its former place {tracked.pair}"
    headline = f"Growing lesion left {share:.0%} of its former place"
    return [Measure("lesion_place_lost", share, "", message, headline)]


def _shape_change(tracked: TrackedLesions) -> list[Measure]:
    """The largest change of elongation, as a logarithm, of lesions with voxels enough."""
    scans = (tracked.aligned.earlier.scan, tracked.aligned.later.scan)
    spacings = [float(spacing_of(scan.affine).max()) for scan in scans]
    changes = []
    for a, b in tracked.one_to_one():
        earlier, later = tracked.earlier[a], tracked.later[b]
        if min(len(earlier.points), len(later.points)) < MIN_SHAPE_VOXELS:
            continue
        first = elongation(earlier, spacing=spacings[0])
        second = elongation(later, spacing=spacings[1])
        if first is not None and second is not None:
            changes.append((abs(math.log(second / first)), later))
    if not changes:
        return []
    change, lesion = max(changes, key=lambda pair: pair[0])
    message = (
        f"the elongation of the lesion at {format_point(lesion.centre.tolist())} changes by a "
        f"factor of {math.exp(change):.1f} {tracked.pair}"
    )
    headline = f"Lesion elongation changed by a factor of {math.exp(change):.1f}"
    return [Measure("lesion_shape_change", change, "", message, headline)]


def _unchanged_lesion(tracked: TrackedLesions) -> list[Measure]:
    """Share of the lesion that stays in its very place although a change is stated."""
    aligned, pairs = tracked.aligned, tracked.one_to_one()
    if not pairs:
        return []
    first = min(a for a, _ in pairs)
    earlier, later = tracked.earlier[first], tracked.later[dict(pairs)[first]]
    if not _change_is_stated(aligned, earlier.ml):
        return []
    if abs(math.log(later.ml / earlier.ml)) > SAME_RATIO:
        return [Measure("lesion_unchanged", 0.0)]
    margin = 0.75 * float(max(spacing_of(aligned.later.scan.affine)))
    same = 1 - max(
        share_outside(earlier, later, margin=margin), share_outside(later, earlier, margin=margin)
    )
    message = (
        f"the lesion at {format_point(later.centre.tolist())} keeps its exact shape and volume "
        f"{tracked.pair}, although a change is stated"
    )
    headline = "Lesion unchanged although a change is stated"
    return [Measure("lesion_unchanged", same, "", message, headline)]


def _change_is_stated(aligned: Alignment, ml: float) -> bool:
    labels: Mapping[str, str] = {**aligned.earlier.ref.labels, **aligned.later.ref.labels}
    if parse_growth_direction(labels):
        return True
    stated = parse_growth_statement(labels)
    first, second = aligned.earlier.ref.months, aligned.later.ref.months
    if not isinstance(stated, GrowthStatement) or first is None or second is None:
        return False
    days = DAYS_PER_MONTH * (second - first)
    return days > 0 and abs(stated.log_ratio(ml, days_before=0.0, days=days)) >= STATED_RATIO
