"""Measures of lesion tracking: lesions that vanish, appear, move, change shape or are frozen."""

from __future__ import annotations

import math
import re
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
SAME_SHARE, SAME_RATIO, STATED_RATIO = 0.98, 0.02, 0.10
MIN_SHAPE_VOXELS = 100
SINGLE_LESION = r"\b(?:single|solitary|one lesion)\b"


def lesion_measures(aligned: Alignment) -> list[Measure]:
    """Vanished, new, moved and frozen lesions; nothing where a mask is missing.

    Treated lesions, and those that go by themselves, may vanish. New lesions are only told, unless
    the text speaks of a single one.
    """
    if aligned.earlier.scan.mask is None or aligned.later.scan.mask is None:
        return []
    earlier, later = aligned_lesions(aligned)
    fates = track_aligned_lesions(aligned, earlier, later)
    found = [_new_lesions(aligned, later, fates)]
    if not may_shrink(aligned):
        found.append(_vanished_lesions(aligned, fates))
        found += _moved_lesion(aligned, earlier, later, fates)
        found += _left_place(aligned, earlier, later, fates)
        found += _shape_change(aligned, earlier, later, fates)
    return found + _repeated_lesion(aligned, earlier, later, fates)


def aligned_lesions(aligned: Alignment) -> tuple[list[Lesion], list[Lesion]]:
    """The lesions of both scans in the later scan's world."""
    back = inverse(aligned.mapping)
    earlier, later = (
        [] if scan.mask is None else find_lesions(scan.mask, scan.affine)
        for scan in (aligned.earlier.scan, aligned.later.scan)
    )
    return [Lesion(transform_points(part.points, back), part.ml) for part in earlier], later


def track_aligned_lesions(
    aligned: Alignment, earlier: Sequence[Lesion], later: Sequence[Lesion]
) -> LesionMatches:
    """What became of each lesion; nodules move with the breath."""
    reach = MATCH_DISTANCE_LUNG if aligned.later.intensity == "ct" else MATCH_DISTANCE
    return track_lesions(earlier, later, reach=reach)


def may_shrink(aligned: Alignment) -> bool:
    """True after a treatment or a resection, and of lesions that go by themselves."""
    labels = [aligned.earlier.ref.labels, aligned.later.ref.labels]
    return any(map(is_treated, labels)) or growth_band(read_label(labels[1], "pathology")).shrinks


def _vanished_lesions(aligned: Alignment, fates: LesionMatches) -> Measure:
    lost = len(fates.vanished)
    message = f"{lost} untreated lesion{'s' * (lost > 1)} of the mask vanished {pair_name(aligned)}"
    return Measure("lesions_vanished", lost, "lesions", message)


def _new_lesions(aligned: Alignment, later: Sequence[Lesion], fates: LesionMatches) -> Measure:
    text = read_label(aligned.later.ref.labels, "prompt") or ""
    where = ", ".join(format_point(later[b].centre.tolist()) for b in fates.new[:3])
    count, single = len(fates.new), bool(re.search(SINGLE_LESION, text))
    message = (
        f"the text speaks of a single lesion, and {count} are new {pair_name(aligned)} at {where}"
    )
    return Measure("lesions_beside_single" if single else "lesions_new", count, "lesions", message)


def _moved_lesion(
    aligned: Alignment, earlier: Sequence[Lesion], later: Sequence[Lesion], fates: LesionMatches
) -> list[Measure]:
    """How far the only lesion went; of several, one may go and another come."""
    if not len(earlier) == len(later) == 1:
        return []
    away = farthest_move(earlier, later, fates, alike=SIMILAR_VOLUME)
    message = (
        f"a lesion is gone and one of its volume is new {away:.0f} mm away {pair_name(aligned)}; "
        "lesions do not move"
    )
    return [Measure("lesion_moved", away, "mm", message)]


def _left_place(
    aligned: Alignment, earlier: Sequence[Lesion], later: Sequence[Lesion], fates: LesionMatches
) -> list[Measure]:
    """How much of a growing lesion's first place is lesion no more; lesions in pairs only."""
    shares = [
        share_outside(earlier[a], later[b], margin=REGISTRATION_MARGIN)
        for a, b in _one_to_one(fates)
        if later[b].ml > earlier[a].ml
    ]
    if not shares or aligned.later.intensity == "ct":
        return []
    message = f"the lesion grows, and leaves {max(shares):.0%} of where it was {pair_name(aligned)}"
    return [Measure("lesion_left", max(shares), "", message)]


def _shape_change(
    aligned: Alignment, earlier: Sequence[Lesion], later: Sequence[Lesion], fates: LesionMatches
) -> list[Measure]:
    """The largest change of elongation, as a logarithm, of lesions with voxels enough."""
    spacings = [
        float(spacing_of(one.scan.affine).max()) for one in (aligned.earlier, aligned.later)
    ]
    changes = []
    for a, b in _one_to_one(fates):
        one, other = earlier[a], later[b]
        if min(len(one.points), len(other.points)) < MIN_SHAPE_VOXELS:
            continue
        first = elongation(one, spacing=spacings[0])
        second = elongation(other, spacing=spacings[1])
        if first is not None and second is not None:
            changes.append((abs(math.log(second / first)), other))
    if not changes:
        return []
    change, part = max(changes, key=lambda pair: pair[0])
    message = (
        f"the lesion at {format_point(part.centre.tolist())} becomes "
        f"{math.exp(change):.1f} times as long "
        f"or as flat {pair_name(aligned)}"
    )
    return [Measure("lesion_shape_change", change, "", message)]


def _one_to_one(fates: LesionMatches) -> list[tuple[int, int]]:
    """Lesions that neither split nor merged."""
    firsts, seconds = [a for a, _ in fates.kept], [b for _, b in fates.kept]
    return [(a, b) for a, b in fates.kept if firsts.count(a) == seconds.count(b) == 1]


def _repeated_lesion(
    aligned: Alignment, earlier: Sequence[Lesion], later: Sequence[Lesion], fates: LesionMatches
) -> list[Measure]:
    """Share of the lesion that stays in its very place although a change is asked for."""
    pairs = _one_to_one(fates)
    if not pairs:
        return []
    first = min(a for a, _ in pairs)
    one, other = earlier[first], later[dict(pairs)[first]]
    if not _change_is_stated(aligned, one.ml):
        return []
    if abs(math.log(other.ml / one.ml)) > SAME_RATIO:
        return [Measure("lesion_repeats", 0.0)]
    margin = 0.75 * float(max(spacing_of(aligned.later.scan.affine)))
    same = 1 - max(
        share_outside(one, other, margin=margin), share_outside(other, one, margin=margin)
    )
    message = (
        f"the lesion keeps its very shape and volume {pair_name(aligned)} ({same:.0%} of it in the "
        "same place), although a change is stated"
    )
    return [Measure("lesion_repeats", same, "", message)]


def _change_is_stated(aligned: Alignment, ml: float) -> bool:
    labels: Mapping[str, str] = {**aligned.earlier.ref.labels, **aligned.later.ref.labels}
    if parse_growth_direction(labels):
        return True
    stated, months = (
        parse_growth_statement(labels),
        (aligned.earlier.ref.months, aligned.later.ref.months),
    )
    if not isinstance(stated, GrowthStatement) or None in months:
        return False
    days = DAYS_PER_MONTH * ((months[1] or 0.0) - (months[0] or 0.0))
    return days > 0 and abs(stated.log_ratio(ml, days_before=0.0, days=days)) >= STATED_RATIO
