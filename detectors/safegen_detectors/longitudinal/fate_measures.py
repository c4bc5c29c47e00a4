"""Measures of what becomes of each lesion between two aligned scans."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from pytest_safegen.api import Measure, spacing_of
from safegen_detectors.longitudinal.fates import (
    Fates,
    Part,
    elongation,
    fates_of,
    moved_away,
    parts_of,
    share_left,
)
from safegen_detectors.longitudinal.grid import inverse
from safegen_detectors.longitudinal.masks import moved
from safegen_detectors.longitudinal.pair_measures import between
from safegen_detectors.longitudinal.pathologies import DAYS_A_MONTH, band_for
from safegen_detectors.longitudinal.statement import Statement, direction_of, statement_of
from safegen_detectors.longitudinal.volumes import is_treated
from safegen_detectors.longitudinal.words import label, place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from safegen_detectors.longitudinal.alignment import Alignment

REACH = 10.0  # mm between a lesion and what became of it
REACH_OF_BREATH = 15.0  # mm in the lung, where breathing moves nodules
SAME_VOLUME = 1.5  # factor within which a lesion elsewhere has the volume of one that is gone
MARGIN_OF_GROWTH = 2.0  # mm, registration
SAME_SHARE, SAME_RATIO, ASKED_RATIO = 0.98, 0.02, 0.10
VOXELS_WITH_SHAPE = 100
SINGLE = r"\b(?:single|solitary|one lesion)\b"


def fate_measures(aligned: Alignment) -> list[Measure]:
    """Vanished, new, moved and frozen lesions; nothing where a mask is missing.

    Treated lesions, and those that go by themselves, may vanish. New lesions are only told, unless
    the text speaks of a single one.
    """
    if aligned.earlier.scan.mask is None or aligned.later.scan.mask is None:
        return []
    earlier, later = lesions_of(aligned)
    fates = fates_between(aligned, earlier, later)
    found = [_new(aligned, later, fates)]
    if not may_shrink(aligned):
        found.append(_vanished(aligned, fates))
        found += _moved(aligned, earlier, later, fates)
        found += _left(aligned, earlier, later, fates)
        found += _shape(aligned, earlier, later, fates)
    return found + _repeated(aligned, earlier, later, fates)


def lesions_of(aligned: Alignment) -> tuple[list[Part], list[Part]]:
    """The lesions of both scans in the later scan's world."""
    back = inverse(aligned.mapping)
    earlier, later = (
        [] if scan.mask is None else parts_of(scan.mask, scan.affine)
        for scan in (aligned.earlier.scan, aligned.later.scan)
    )
    return [Part(moved(part.points, back), part.ml) for part in earlier], later


def fates_between(aligned: Alignment, earlier: Sequence[Part], later: Sequence[Part]) -> Fates:
    """What became of each lesion; nodules move with the breath."""
    reach = REACH_OF_BREATH if aligned.later.intensity == "ct" else REACH
    return fates_of(earlier, later, reach=reach)


def may_shrink(aligned: Alignment) -> bool:
    """True after a treatment or a resection, and of lesions that go by themselves."""
    labels = [aligned.earlier.ref.labels, aligned.later.ref.labels]
    return any(map(is_treated, labels)) or band_for(label(labels[1], "pathology")).shrinks


def _vanished(aligned: Alignment, fates: Fates) -> Measure:
    lost = len(fates.vanished)
    says = f"{lost} untreated lesion{'s' * (lost > 1)} of the mask vanished {between(aligned)}"
    return Measure("lesions_vanished", lost, "lesions", says)


def _new(aligned: Alignment, later: Sequence[Part], fates: Fates) -> Measure:
    text = label(aligned.later.ref.labels, "prompt") or ""
    where = ", ".join(place(later[b].centre.tolist()) for b in fates.new[:3])
    count, single = len(fates.new), bool(re.search(SINGLE, text))
    says = f"the text speaks of a single lesion, and {count} are new {between(aligned)} at {where}"
    return Measure("lesions_beside_single" if single else "lesions_new", count, "lesions", says)


def _moved(
    aligned: Alignment, earlier: Sequence[Part], later: Sequence[Part], fates: Fates
) -> list[Measure]:
    """How far the only lesion went; of several, one may go and another come."""
    if not len(earlier) == len(later) == 1:
        return []
    away = moved_away(earlier, later, fates, alike=SAME_VOLUME)
    says = (
        f"a lesion is gone and one of its volume is new {away:.0f} mm away {between(aligned)}; "
        "lesions do not move"
    )
    return [Measure("lesion_moved", away, "mm", says)]


def _left(
    aligned: Alignment, earlier: Sequence[Part], later: Sequence[Part], fates: Fates
) -> list[Measure]:
    """How much of a growing lesion's first place is lesion no more; lesions in pairs only."""
    shares = [
        share_left(earlier[a], later[b], margin=MARGIN_OF_GROWTH)
        for a, b in _pairs(fates)
        if later[b].ml > earlier[a].ml
    ]
    if not shares or aligned.later.intensity == "ct":
        return []
    says = f"the lesion grows, and leaves {max(shares):.0%} of where it was {between(aligned)}"
    return [Measure("lesion_left", max(shares), "", says)]


def _shape(
    aligned: Alignment, earlier: Sequence[Part], later: Sequence[Part], fates: Fates
) -> list[Measure]:
    """The largest change of elongation, as a logarithm, of lesions with voxels enough."""
    spacings = [
        float(spacing_of(one.scan.affine).max()) for one in (aligned.earlier, aligned.later)
    ]
    changes = []
    for a, b in _pairs(fates):
        one, other = earlier[a], later[b]
        if min(len(one.points), len(other.points)) < VOXELS_WITH_SHAPE:
            continue
        first = elongation(one, spacing=spacings[0])
        second = elongation(other, spacing=spacings[1])
        if first is not None and second is not None:
            changes.append((abs(math.log(second / first)), other))
    if not changes:
        return []
    change, part = max(changes, key=lambda pair: pair[0])
    says = (
        f"the lesion at {place(part.centre.tolist())} becomes {math.exp(change):.1f} times as long "
        f"or as flat {between(aligned)}"
    )
    return [Measure("lesion_shape_change", change, "", says)]


def _pairs(fates: Fates) -> list[tuple[int, int]]:
    """Lesions that neither split nor merged."""
    firsts, seconds = [a for a, _ in fates.kept], [b for _, b in fates.kept]
    return [(a, b) for a, b in fates.kept if firsts.count(a) == seconds.count(b) == 1]


def _repeated(
    aligned: Alignment, earlier: Sequence[Part], later: Sequence[Part], fates: Fates
) -> list[Measure]:
    """Share of the lesion that stays in its very place although a change is asked for."""
    pairs = _pairs(fates)
    if not pairs:
        return []
    first = min(a for a, _ in pairs)
    one, other = earlier[first], later[dict(pairs)[first]]
    if not _change_is_asked(aligned, one.ml):
        return []
    if abs(math.log(other.ml / one.ml)) > SAME_RATIO:
        return [Measure("lesion_repeats", 0.0)]
    margin = 0.75 * float(max(spacing_of(aligned.later.scan.affine)))
    same = 1 - max(share_left(one, other, margin=margin), share_left(other, one, margin=margin))
    says = (
        f"the lesion keeps its very shape and volume {between(aligned)} ({same:.0%} of it in the "
        "same place), although a change is stated"
    )
    return [Measure("lesion_repeats", same, "", says)]


def _change_is_asked(aligned: Alignment, ml: float) -> bool:
    labels: Mapping[str, str] = {**aligned.earlier.ref.labels, **aligned.later.ref.labels}
    if direction_of(labels):
        return True
    stated, months = statement_of(labels), (aligned.earlier.ref.months, aligned.later.ref.months)
    if not isinstance(stated, Statement) or None in months:
        return False
    days = DAYS_A_MONTH * ((months[1] or 0.0) - (months[0] or 0.0))
    return days > 0 and abs(stated.log_ratio(ml, days_before=0.0, days=days)) >= ASKED_RATIO
