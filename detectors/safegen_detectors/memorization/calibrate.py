"""What unseen real patients score: each is left out of the index, as scanned and blurred."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pytest_safegen.api import Fitted, Profile, ProfileError, ScanTarget
from safegen_detectors.memorization.features.pattern import identity_pattern
from safegen_detectors.memorization.identities import same_identity
from safegen_detectors.memorization.search.index import Index, index_from_profile
from safegen_detectors.memorization.search.margins import highest_strengths
from safegen_detectors.memorization.search.match import typical_likeness
from safegen_detectors.memorization.search.orientation import orient
from safegen_detectors.memorization.search.translation import all_likenesses

MOST_HELD_OUT = 200
BLURS = (0.0, 1.0)  # Gaussians in voxels; generated scans are smoother than real ones
SCALE_QUANTILE = 0.9  # the share of unseen patients whose strength is the unit of the score


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A real scan, judged as if its own person were not in the index.

    `strengths` are the highest over the blurs; `typical` is the median over blocks of the likeness
    to the nearest person, of the scan as it is; `same_identity` are the persons it resembles
    everywhere: itself under another name, or a twin.
    """

    subject: str
    person: int
    strengths: tuple[float, ...]
    typical: float
    same_identity: tuple[int, ...] = ()


def recalibrate(profile: Profile, holdout: Iterable[ScanTarget]) -> Fitted:
    """The same arrays and facts, with scores of real patients who are not in the reference.

    Raises:
        ProfileError: a patient of the holdout is in the reference under another name.
    """
    index = index_from_profile(profile, "cpu")
    held_out = [score_held_out(target, index) for target in holdout]
    known = [
        f"{one.subject} is {index.names[one.same_identity[0]]}"
        for one in held_out
        if one.same_identity
    ]
    if known:
        raise ProfileError(
            f"{len(known)} patients of the holdout are in the reference under another name, or "
            f"have a twin there ({', '.join(known[:3])}): remove them from the holdout.",
            headline="Patients of the holdout are in the reference",
        )
    scores = scores_by_subject(held_out, profile.facts["scale"])
    return Fitted(profile.arrays, profile.facts, scores)


def leave_one_out(reference: Iterable[ScanTarget], index: Index, seed: int) -> dict[int, HeldOut]:
    """Each real scan, by number, against all persons but its own; MOST_HELD_OUT of many."""
    order = np.random.default_rng(seed).permutation(len(index.persons))
    chosen = set(order[:MOST_HELD_OUT].tolist())
    return {
        number: score_held_out(target, index, without=[int(index.persons[number])])
        for number, target in enumerate(reference)
        if number in chosen
    }


def rescore_merged(
    reference: Iterable[ScanTarget], first_pass: Mapping[int, HeldOut], index: Index
) -> list[HeldOut]:
    """The same scans; those with a namesake or twin are scored again without the merged person."""
    return [
        score_held_out(target, index, without=[int(index.persons[number])])
        if first_pass[number].same_identity
        else first_pass[number]
        for number, target in enumerate(reference)
        if number in first_pass
    ]


def score_held_out(target: ScanTarget, index: Index, *, without: Sequence[int] = ()) -> HeldOut:
    """Scores of a real scan by the code that judges synthetic ones, some persons left out.

    The first of those left out is the scan's own.
    """
    prepared = orient(target, index.template).prepared
    by_blur = [
        all_likenesses(identity_pattern(prepared, blur=blur), index, without=without)
        for blur in BLURS
    ]
    rows = [highest_strengths(likenesses, index) for likenesses in by_blur]
    return HeldOut(
        target.ref.subject,
        without[0] if without else -1,
        tuple(max(column) for column in zip(*rows, strict=True)),
        typical_likeness(by_blur[0]),
        same_identity(by_blur[0], without, index),
    )


def fit_scale(held_out: Sequence[HeldOut]) -> tuple[float, ...]:
    """The unit of each strength: what a tenth of unseen real patients exceeds."""
    table = np.array([one.strengths for one in held_out])
    return tuple(float(x) for x in np.maximum(np.quantile(table, SCALE_QUANTILE, axis=0), 1e-3))


def scores_by_subject(
    held_out: Sequence[HeldOut], scale: Sequence[float] | None = None
) -> dict[str, float]:
    """The score of each subject's highest scan, on a scale fitted without that subject."""
    scores: dict[str, float] = {}
    for one in held_out:
        others = [other for other in held_out if other.subject != one.subject]
        units = scale or fit_scale(others or held_out)
        score = max(a / b for a, b in zip(one.strengths, units, strict=True))
        scores[one.subject] = max(score, scores.get(one.subject, score))
    return scores
