"""Which picture shows best what is wrong with a series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from safegen_detectors.longitudinal import heat
from safegen_detectors.longitudinal.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_safegen.api import Heatmap, Measure
    from safegen_detectors.longitudinal.course import Course, Pair
    from safegen_detectors.longitudinal.timepoints import Timepoint

DEFORMED = ("mass_effect", "uneven_deformation", "tissue_shift")


def picture_of(courses: Sequence[Course]) -> Heatmap | None:
    """Another patient, else a mask outside, else a field that folds, else what is worst of a pair.

    None where no pair could be compared.
    """
    pairs = [pair for course in courses for pair in course.pairs]
    point, depths = _deepest(courses)
    outside = any(_leaves(measure) for course in courses for measure in course.others)
    if not pairs:
        return heat.outside_heatmap(point, depths) if point is not None and outside else None
    least = min(pairs, key=lambda pair: pair.aligned.likeness.local_match)
    if least.aligned.likeness.votes > 1:
        return heat.change_heatmap(least.aligned)
    if point is not None and outside:
        return heat.outside_heatmap(point, depths)
    return _of_folds(courses) or _of_worst_pair(pairs)


def _leaves(measure: Measure) -> bool:
    """Whether a mask leaves where it may be by more than is forgiven there."""
    if not measure.name.endswith("_depth_outside"):
        return False
    return measure.value > (RULES[measure.name].warn_above or 0.0)


def _of_folds(courses: Sequence[Course]) -> Heatmap | None:
    """The field that folds most; None where none folds more than it may."""
    limit = RULES["field_folds"].fail_above or 0.0
    folded = [
        course
        for course in courses
        if any(one.name == "field_folds" and one.value > limit for one in course.others)
    ]
    found = [heat.folding_heatmap(point) for course in folded for point in course.points]
    maps = [one for one in found if one is not None]
    return max(maps, key=lambda one: float((one.values >= 1).sum()), default=None)


def worst_pair(pairs: Sequence[Pair]) -> Pair:
    """The pair with the largest share of a limit among what pictures can show."""
    return max(pairs, key=_strain)


def _of_worst_pair(pairs: Sequence[Pair]) -> Heatmap:
    worst = worst_pair(pairs)
    if worst.value("equal_share") > (RULES["equal_share"].fail_above or 1.0):
        return heat.copy_heatmap(worst.aligned)
    if worst.value("grain_correlation") > (RULES["grain_correlation"].warn_above or 1.0):
        return heat.grain_heatmap(worst.aligned)
    if worst.value("lesion_moved") > (RULES["lesion_moved"].fail_above or 0.0):
        return heat.fate_heatmap(worst.aligned)
    if any(worst.value(name) > (RULES[name].fail_above or 0.0) for name in DEFORMED):
        return heat.deformation_heatmap(worst.aligned)
    if worst.value("changed_region") > (RULES["changed_region"].warn_above or 0.0):
        return heat.region_heatmap(worst.aligned)
    return heat.change_heatmap(worst.aligned)


def _strain(pair: Pair) -> float:
    """The largest share of a limit, and the lack of match where nothing is near one."""
    limits = ("equal_share", "grain_correlation", "lesion_moved", *DEFORMED, "changed_region")
    shares = [pair.value(name) / (RULES[name].fail_above or 1.0) for name in limits]
    return max(*shares, 1.0 - pair.aligned.likeness.local_match)


def _deepest(courses: Sequence[Course]) -> tuple[Timepoint | None, NDArray[np.float64]]:
    """The scan whose mask goes farthest outside the body."""
    masked = [
        (point, depths)
        for course in courses
        for point, depths in zip(course.points, course.depths, strict=True)
        if depths is not None
    ]
    return max(masked, key=lambda pair: pair[1].max(), default=(None, np.zeros(1)))
