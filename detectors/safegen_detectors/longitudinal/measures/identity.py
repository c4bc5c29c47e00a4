"""Measures of identity: do two scans show one patient, and not another one of the cohort?

The cohort needs no limit of similarity: of two patients the nearer one is the patient. It is
searched only where a pair already looks like two patients: each comparison takes a registration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_safegen.api import (
    Measure,
    NotJudged,
    ReadError,
    guess_options,
    read_scan,
    register,
    spacing_of,
)
from safegen_detectors.longitudinal.inputs.geometry import format_point, mean_size_change
from safegen_detectors.longitudinal.inputs.timepoints import Timepoint, prepare_timepoint
from safegen_detectors.longitudinal.limits import GRADIENT_MATCH_LIMIT, SIMILAR_MATCH
from safegen_detectors.longitudinal.maths.similarity import fine_correlation
from safegen_detectors.longitudinal.registration import (
    align_once,
    align_pair,
    bounding_box,
    least_similar_point,
    mirror,
    pair_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_safegen.api import Scan, ScanRef, SeriesTarget
    from safegen_detectors.longitudinal.registration import Alignment


SUSPECT_BODY_CHANGE = 0.025  # change of the body's volume from which on its size is measured

COHORT_SPACING = 3.0  # mm: enough to tell patients apart, and a third of the work of 2 mm
MAX_COHORT_PATIENTS = 24  # patients of the release
CLEAR_MARGIN = 0.05  # of local match, by which another patient is nearer


def identity_measures(aligned: Alignment) -> list[Measure]:
    """Similarity; of dissimilar MR pairs also whether the follow-up is mirrored or scaled."""
    if aligned.later.intensity == "ct":
        return [_vote_measure(aligned, "identity_votes_ct"), *_similarity_measures(aligned)]
    found = [
        _vote_measure(aligned, "identity_votes"),
        _contrast_flip(aligned),
        *_similarity_measures(aligned),
    ]
    dissimilar = aligned.similarity.local_match < SIMILAR_MATCH
    if dissimilar:
        found.insert(0, _mirror_margin(aligned))
    if dissimilar or _body_change(aligned) > SUSPECT_BODY_CHANGE:
        found.append(_size_change(aligned))
    return [*found, _fine_structure(aligned)]


def _vote_measure(aligned: Alignment, name: str) -> Measure:
    message = (
        f"the anatomy outside the lesion at {aligned.later.name} looks like another patient than "
        f"at {aligned.earlier.name}, least alike around "
        f"{format_point(least_similar_point(aligned))}"
    )
    headline = "Different patient at follow-up"
    return Measure(name, aligned.similarity.votes, "of 3", message, headline)


def _similarity_measures(aligned: Alignment) -> list[Measure]:
    similarity, pair = aligned.similarity, pair_name(aligned)
    place = format_point(least_similar_point(aligned))
    return [
        Measure(
            "local_match",
            similarity.local_match,
            "",
            f"the anatomy outside the lesion changes {pair}, most around {place}",
            "Anatomy outside the lesion changed",
        ),
        Measure(
            "self_similarity_distance",
            similarity.self_similarity_distance,
            "",
            f"the structure of the tissue outside the lesion changes {pair}",
            "Tissue structure outside the lesion changed",
        ),
        Measure(
            "gradient_match",
            similarity.gradient_match,
            "",
            f"the edges of the anatomy outside the lesion change {pair}",
            "Edges of the anatomy outside the lesion changed",
        ),
    ]


def _contrast_flip(aligned: Alignment) -> Measure:
    """How much the same edges turn from bright to dark: less than 0 where they do not."""
    similarity = aligned.similarity
    edges = similarity.gradient_match >= GRADIENT_MATCH_LIMIT
    message = (
        f"bright tissue turns dark along the same edges {pair_name(aligned)}, as in an image of "
        "another contrast"
    )
    value = -similarity.local_match if edges else -1.0
    return Measure("contrast_flip", value, "", message, "Contrast inverted at follow-up")


def _mirror_margin(aligned: Alignment) -> Measure:
    flipped = align_once(mirror(aligned.earlier), aligned.later)
    margin = aligned.similarity.local_match - flipped.similarity.local_match
    fits = "better than" if margin < 0 else "as well as"
    message = (
        f"left and right appear swapped {pair_name(aligned)}: the mirror image fits {fits} the scan"
    )
    headline = "Left and right swapped at follow-up"
    return Measure("mirror_margin", margin, "", message, headline)


def _body_change(aligned: Alignment) -> float:
    """Relative change of the body's volume, which a change of size brings with it."""
    first, second = (
        float(point.prepared.body.sum() * np.prod(spacing_of(point.prepared.affine)))
        for point in (aligned.earlier, aligned.later)
    )
    return abs(second / first - 1.0)


def _size_change(aligned: Alignment) -> Measure:
    mapping = register(aligned.later.prepared, aligned.earlier.prepared, kind="affine")
    change = mean_size_change(mapping)
    message = (
        f"the anatomy changes its size by {change:.1%} {pair_name(aligned)}; adult heads do not"
    )
    return Measure("size_change", change, "", message, f"Head size changed by {change:.1%}")


def _fine_structure(aligned: Alignment) -> Measure:
    box = bounding_box(aligned.zone)
    fixed, moved = aligned.later.prepared.voxels[box], aligned.moved[box]
    fine = fine_correlation(fixed, moved, where=aligned.zone[box])
    message = (
        f"the fine structure of the tissue is not the same {pair_name(aligned)}, as if it had been "
        "generated anew"
    )
    headline = "Fine tissue structure generated anew at follow-up"
    return Measure("fine_structure", fine, "", message, headline)


@dataclass(frozen=True, slots=True)
class CohortMatch:
    """A patient of the release, and how well the follow-up fits his or her first scan, -1..1."""

    subject: str
    match: float


def cohort_measures(pairs: Sequence[Alignment], target: SeriesTarget) -> list[Measure]:
    """How many other patients fit the follow-up of the least alike pair better than its own."""
    doubtful = [one for one in pairs if one.similarity.votes >= _votes_needed(one)]
    worst = min(doubtful, key=lambda one: one.similarity.local_match, default=None)
    if worst is None:
        return []
    try:
        later = _coarse_timepoint(worst.later.scan, worst.later)
        own = align_pair(_coarse_timepoint(worst.earlier.scan, later), later).similarity.local_match
    except NotJudged:
        return []
    others = list(_cohort_matches(later, _first_scans(worst, target)))
    if not others:
        return []
    nearer = sorted(
        (one for one in others if one.match > own + CLEAR_MARGIN), key=lambda one: -one.match
    )
    name = "nearer_patients_ct" if later.intensity == "ct" else "nearer_patients"
    message = "" if not nearer else _nearer_message(worst, nearer[0].subject, len(others))
    headline = "Follow-up fits another patient of the release better"
    return [Measure(name, len(nearer), "patients", message, headline)]


def _nearer_message(aligned: Alignment, subject: str, compared: int) -> str:
    return (
        f"{aligned.later.name} fits the first scan of {subject} better than {aligned.earlier.name} "
        f"of its own patient ({compared} other patients of the release were compared)"
    )


def _votes_needed(aligned: Alignment) -> int:
    """Votes for two patients from which on others are compared; chests differ by breath alone."""
    return 2 if aligned.later.intensity == "ct" else 1


def _first_scans(aligned: Alignment, target: SeriesTarget) -> list[ScanRef]:
    """The first scan of that modality of other patients, from all over the release."""
    modality = aligned.later.ref.modality
    firsts = [
        next((ref for ref in series.refs if ref.modality == modality), None)
        for series in target.cohort
        if series.target != target.series.target
    ]
    known = [ref for ref in firsts if ref is not None]
    places = (
        np.linspace(0, len(known) - 1, min(len(known), MAX_COHORT_PATIENTS)).round().astype(int)
    )
    return [known[place] for place in places]


def _cohort_matches(later: Timepoint, refs: Sequence[ScanRef]) -> Iterator[CohortMatch]:
    """The patients whose scan can be read and laid over the follow-up."""
    for ref in refs:
        try:
            scan = read_scan(ref)
            match = align_once(_coarse_timepoint(scan, later), later).similarity.local_match
        except (ReadError, NotJudged):
            continue  # this scan has findings of its own
        yield CohortMatch(ref.subject, match)


def _coarse_timepoint(scan: Scan, like: Timepoint) -> Timepoint:
    """A scan on the coarser grid, or on that of `like` where it is coarser still."""
    spacing = max(COHORT_SPACING, float(spacing_of(like.prepared.affine)[0]))
    options = replace(guess_options(scan), spacing=spacing, intensity=like.intensity)
    return prepare_timepoint(scan, options)
