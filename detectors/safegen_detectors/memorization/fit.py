"""Build the index of reference persons and calibrate the score on held-out patients.

Three steps: describe every reference scan; find which scans show the same person, whatever
they are called; score real patients who are left out of the index, as they are and blurred
as generators blur.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from pytest_safegen.api import (
    Fitted,
    NotJudged,
    Prepared,
    PrepareOptions,
    Profile,
    ProfileError,
    ScanTarget,
    Template,
    spacing_of,
)
from safegen_detectors.memorization.features.descriptors import (
    Describer,
    frequencies,
    frequency_weights,
)
from safegen_detectors.memorization.features.lattice import lattice_of
from safegen_detectors.memorization.features.pattern import identity_pattern
from safegen_detectors.memorization.pseudonyms import Pseudonyms
from safegen_detectors.memorization.search.index import (
    FEWEST_PERSONS,
    Index,
    index_from_profile,
    index_to_profile,
    neighbourhood_means,
    person_names,
    person_numbers,
)
from safegen_detectors.memorization.search.margins import highest_strengths, standard_scores
from safegen_detectors.memorization.search.match import Likeness, typical_likeness
from safegen_detectors.memorization.search.orientation import orient
from safegen_detectors.memorization.search.poses import mirrored_axes
from safegen_detectors.memorization.search.translation import all_likenesses
from safegen_detectors.memorization.self_test import held_out_score

FEWEST_BLOCKS = 8
SELF_TEST_CANDIDATES = 8
FULL_GRID_SHARE = 0.9  # mean share of the grid that a crop's tissue fills

MOST_HELD_OUT = 200
BLURS = (0.0, 1.0)  # Gaussians in voxels; generated scans are smoother than real ones
SAME_IDENTITY_SCORE = 0.8  # mean score above others; twins of 80 patients had 1.1, others 0.4
FEWEST_FOR_SAME_IDENTITY = 12  # persons; four phantoms were all taken for the same
SCALE_QUANTILE = 0.9  # the share of unseen patients whose strength is the unit of the score

SAME_IDENTITY_COSINE = 0.7  # mean cosine of blocks at the same place; other people reach 0.5


def fit(reference: Iterable[ScanTarget], *, seed: int, names: Pseudonyms) -> Fitted:
    """Descriptors of every reference scan, who is whom, and scores of patients left out in turn.

    Raises:
        NotJudged: the reference scans share too little body, or show too few persons.
    """
    index, subjects = _build_index(reference)
    persons = find_identities(index.descriptors, subjects)
    index = _with_identities(index, subjects, persons)
    first = _leave_one_out(reference, index, seed)
    persons = merge_same_identity(first, persons)
    index = _with_identities(index, subjects, persons)
    apart = _rescore_without_same_identity(reference, first, index)
    held_out = scores_by_subject(apart)
    arrays, facts = index_to_profile(
        index, [names.of(one) for one in subjects], [names.of(one) for one in persons]
    )
    scale = fit_scale(apart)
    learned = {
        "scale": list(scale),
        "typical": min(one.typical for one in apart),
        "control": _choose_self_test_scan(index, subjects, held_out, scale),
    }
    return Fitted(arrays, {**facts, **learned}, held_out)


def recalibrate(profile: Profile, holdout: Iterable[ScanTarget]) -> Fitted:
    """The same arrays and facts, with scores of real patients who are not in the reference.

    Raises:
        ProfileError: a patient of the holdout is in the reference under another name.
    """
    index = index_from_profile(profile, "cpu")
    apart = [score_held_out(target, index) for target in holdout]
    known = [f"{one.subject} is {index.names[one.kin[0]]}" for one in apart if one.kin]
    if known:
        raise ProfileError(
            f"{len(known)} patients of the holdout look like patients of the reference "
            f"({', '.join(known[:3])}), the same person or a twin: leave them out of the holdout."
        )
    return Fitted(profile.arrays, profile.facts, scores_by_subject(apart, profile.facts["scale"]))


def _with_identities(index: Index, subjects: Sequence[str], persons: Sequence[str]) -> Index:
    """The index with the persons that were found.

    Raises:
        NotJudged: there are too few to tell one from another when one is left out.
    """
    found = person_names(subjects, persons)
    if len(found) <= FEWEST_PERSONS:
        raise NotJudged(f"the real scans show {len(found)} persons, too few to tell them apart")
    return replace(index, persons=person_numbers(persons), names=found)


def _build_index(reference: Iterable[ScanTarget]) -> tuple[Index, list[str]]:
    """The index with every scan as a person of its own, and the scans' subjects."""
    template = _mean_template(reference)
    lattice = lattice_of(template.body > 0.5, mirrored=mirrored_axes(template))
    if len(lattice.corners) < FEWEST_BLOCKS:
        raise NotJudged("the real scans share too little body to compare patients")
    plain = Describer(lattice, torch.ones(len(frequencies())))
    patterns = (identity_pattern(_prepared_scan(target)) for target in reference)
    raw = torch.stack([plain.coefficients(one, reach=0)[:, 0] for one in patterns], 1)
    describer = Describer(lattice, frequency_weights(raw))
    descriptors = describer.described(raw)
    subjects = [target.ref.subject for target in reference]
    index = Index(
        descriptors,
        np.arange(len(subjects)),
        tuple(subjects),
        describer,
        template,
        neighbourhood_means(lattice, "cpu"),
    )
    return index.with_spectra(), subjects


def _mean_template(reference: Iterable[ScanTarget]) -> Template:
    """The mean of the reference, to align turned scans anew; crops are told by their full grids."""
    voxels, body, count = np.zeros(1, np.float32), np.zeros(1, np.float32), 0
    for target in reference:
        one = _prepared_scan(target)
        voxels, body, count = voxels + one.voxels, body + one.body, count + 1
    affine, share = one.affine, float(np.mean(body)) / count
    options = PrepareOptions(
        float(spacing_of(affine)[0]),
        "ct" if one.intensity == "ct" else "mr",
        "centre" if share > FULL_GRID_SHARE else "affine",
    )
    return Template(
        np.asarray(voxels / count, dtype=np.float32),
        np.asarray(body / count, dtype=np.float32),
        affine,
        options,
    )


def _leave_one_out(reference: Iterable[ScanTarget], index: Index, seed: int) -> dict[int, HeldOut]:
    """Each real scan, by number, against all persons but its own; MOST_HELD_OUT of many."""
    order = np.random.default_rng(seed).permutation(len(index.persons))
    chosen = set(order[:MOST_HELD_OUT].tolist())
    return {
        number: score_held_out(target, index, without=[int(index.persons[number])])
        for number, target in enumerate(reference)
        if number in chosen
    }


def _rescore_without_same_identity(
    reference: Iterable[ScanTarget], first: Mapping[int, HeldOut], index: Index
) -> list[HeldOut]:
    """The same, but those who turned out to have kin are judged again without it."""
    return [
        score_held_out(target, index, without=[int(index.persons[number])])
        if first[number].kin
        else first[number]
        for number, target in enumerate(reference)
        if number in first
    ]


def _choose_self_test_scan(
    index: Index, subjects: Sequence[str], held_out: Mapping[str, float], scale: Sequence[float]
) -> int:
    """The number of the scan for the self-test of each run: of a few, the one like nobody else."""
    plain = sorted(held_out, key=lambda name: held_out[name])[:SELF_TEST_CANDIDATES]
    numbered = [subjects.index(name) for name in plain]
    return min(numbered, key=lambda number: held_out_score(index, number, scale))


def _prepared_scan(target: ScanTarget) -> Prepared:
    if target.prepared is None:
        raise NotJudged(f"{target.ref.target} is not prepared")
    return target.prepared


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A real scan, judged as if its own person were not in the index.

    `strengths` are the highest over the softenings; `typical` is the median over blocks of the
    likeness to whoever is nearest, of the scan as it is; `kin` are persons so like this one
    everywhere that they are the same under another name, or a twin.
    """

    subject: str
    person: int
    strengths: tuple[float, ...]
    typical: float
    kin: tuple[int, ...] = ()


def score_held_out(target: ScanTarget, index: Index, *, without: Sequence[int] = ()) -> HeldOut:
    """Scores of a real scan by the code that judges synthetic ones, some persons left out.

    The first of those left out is the scan's own.
    """
    prepared = orient(target, index.template).prepared
    others = [
        all_likenesses(identity_pattern(prepared, softened=s), index, without=without)
        for s in BLURS
    ]
    rows = [highest_strengths(found, index) for found in others]
    return HeldOut(
        target.ref.subject,
        without[0] if without else -1,
        tuple(max(column) for column in zip(*rows, strict=True)),
        typical_likeness(others[0]),
        same_identity(others[0], without, index),
    )


def same_identity(
    found: Sequence[Likeness], without: Sequence[int], index: Index
) -> tuple[int, ...]:
    """Who is like the scan everywhere, as it is, far more than people are like each other.

    Nobody where there are few others: how much they differ cannot be told from them. Crops are
    not asked: strangers' crops can be alike everywhere, and one person's can show other places.
    """
    if index.template.options.align == "centre" or len(index.names) < FEWEST_FOR_SAME_IDENTITY:
        return ()
    kept = [person for person in range(len(index.names)) if person not in without]
    everywhere = standard_scores(found[0].cosines).mean(1)
    return tuple(
        kept[n] for n in torch.nonzero(everywhere > SAME_IDENTITY_SCORE).flatten().tolist()
    )


def fit_scale(apart: Sequence[HeldOut]) -> tuple[float, ...]:
    """The unit of each strength: what a tenth of unseen real patients exceeds."""
    table = np.array([one.strengths for one in apart])
    return tuple(float(x) for x in np.maximum(np.quantile(table, SCALE_QUANTILE, axis=0), 1e-3))


def scores_by_subject(
    apart: Sequence[HeldOut], scale: Sequence[float] | None = None
) -> dict[str, float]:
    """The score of each subject, of its highest scan; on a scale that it had no part in."""
    values: dict[str, float] = {}
    for one in apart:
        others = [other for other in apart if other.subject != one.subject]
        unit = scale or fit_scale(others or apart)
        value = max(a / b for a, b in zip(one.strengths, unit, strict=True))
        values[one.subject] = max(value, values.get(one.subject, value))
    return values


def find_identities(descriptors: torch.Tensor, subjects: Sequence[str]) -> list[str]:
    """A name a scan for the person it shows: subjects that look the same get one name.

    `descriptors` (blocks, scans, c).
    """
    alike = torch.triu(mean_cosines(descriptors) > SAME_IDENTITY_COSINE, 1)
    names = list(subjects)
    for n, m in torch.nonzero(alike).tolist():
        names = _merge(names, names[n], names[m])
    return names


def merge_same_identity(unseen: Mapping[int, HeldOut], persons: Sequence[str]) -> list[str]:
    """Persons who are like each other everywhere, seen from both sides, get one name.

    They are the same person under two names, or twins. Apart, they would hide each other's copies.
    """
    order = list(dict.fromkeys(persons))
    kin = {(order[one.person], order[other]) for one in unseen.values() for other in one.kin}
    names = list(persons)
    for one, other in sorted(kin):
        if (other, one) in kin:
            name = dict(zip(persons, names, strict=True))
            names = _merge(names, name[one], name[other])
    return names


def _merge(names: Sequence[str], kept: str, gone: str) -> list[str]:
    return [kept if name == gone else name for name in names]


def mean_cosines(descriptors: torch.Tensor) -> torch.Tensor:
    """The mean cosine (scans, scans) of blocks at the same place."""
    flat = descriptors.transpose(0, 1).flatten(1)
    return flat @ flat.T / len(descriptors)
