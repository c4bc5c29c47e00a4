"""Build the index of reference persons, and learn what real patients who are not in it score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

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
from safegen_detectors.memorization.calibrating import (
    MOST_HELD_OUT,
    Unseen,
    scale_from,
    unseen,
    values_of,
)
from safegen_detectors.memorization.controls import unseen_value
from safegen_detectors.memorization.descriptors import Describer, frequencies, scale_of
from safegen_detectors.memorization.index import (
    FEWEST_PERSONS,
    Index,
    as_profile,
    called,
    index_of,
    means_over,
    numbers,
)
from safegen_detectors.memorization.lattice import lattice_of
from safegen_detectors.memorization.naming import Names
from safegen_detectors.memorization.patterns import pattern
from safegen_detectors.memorization.persons import persons_in, with_kin
from safegen_detectors.memorization.poses import mirrored_axes

FEWEST_BLOCKS = 8
CONTROLS_TRIED = 8
FULL = 0.9  # mean share of the grid that a crop's tissue fills


def fit(reference: Iterable[ScanTarget], *, seed: int, names: Names) -> Fitted:
    """Descriptors of every reference scan, who is whom, and scores of patients left out in turn.

    Raises:
        NotJudged: the reference scans share too little body, or show too few persons.
    """
    index, subjects = _index(reference)
    persons = persons_in(index.descriptors, subjects)
    index = _with_persons(index, subjects, persons)
    first = _left_out_in_turn(reference, index, seed)
    persons = with_kin(first, persons)
    index = _with_persons(index, subjects, persons)
    apart = _again_without_kin(reference, first, index)
    held_out = values_of(apart)
    arrays, facts = as_profile(
        index, [names.of(one) for one in subjects], [names.of(one) for one in persons]
    )
    scale = scale_from(apart)
    learned = {
        "scale": list(scale),
        "typical": min(one.typical for one in apart),
        "control": _control(index, subjects, held_out, scale),
    }
    return Fitted(arrays, {**facts, **learned}, held_out)


def recalibrate(profile: Profile, holdout: Iterable[ScanTarget]) -> Fitted:
    """The same arrays and facts, with scores of real patients who are not in the reference.

    Raises:
        ProfileError: a patient of the holdout is in the reference under another name.
    """
    index = index_of(profile, "cpu")
    apart = [unseen(target, index) for target in holdout]
    known = [f"{one.subject} is {index.names[one.kin[0]]}" for one in apart if one.kin]
    if known:
        raise ProfileError(
            f"{len(known)} patients of the holdout look like patients of the reference "
            f"({', '.join(known[:3])}), the same person or a twin: leave them out of the holdout."
        )
    return Fitted(profile.arrays, profile.facts, values_of(apart, profile.facts["scale"]))


def _with_persons(index: Index, subjects: Sequence[str], persons: Sequence[str]) -> Index:
    """The index with the persons that were found.

    Raises:
        NotJudged: there are too few to tell one from another when one is left out.
    """
    found = called(subjects, persons)
    if len(found) <= FEWEST_PERSONS:
        raise NotJudged(f"the real scans show {len(found)} persons, too few to tell them apart")
    return replace(index, persons=numbers(persons), names=found)


def _index(reference: Iterable[ScanTarget]) -> tuple[Index, list[str]]:
    """The index with every scan as a person of its own, and the scans' subjects."""
    template = _mean(reference)
    lattice = lattice_of(template.body > 0.5, mirrored=mirrored_axes(template))
    if len(lattice.corners) < FEWEST_BLOCKS:
        raise NotJudged("the real scans share too little body to compare patients")
    plain = Describer(lattice, torch.ones(len(frequencies())))
    patterns = (pattern(_prepared(target)) for target in reference)
    raw = torch.stack([plain.coefficients(one, reach=0)[:, 0] for one in patterns], 1)
    describer = Describer(lattice, scale_of(raw))
    descriptors = describer.described(raw)
    subjects = [target.ref.subject for target in reference]
    index = Index(
        descriptors,
        np.arange(len(subjects)),
        tuple(subjects),
        describer,
        template,
        means_over(lattice, "cpu"),
    )
    return index.with_spectra(), subjects


def _mean(reference: Iterable[ScanTarget]) -> Template:
    """The mean of the reference, to align turned scans anew; crops are told by their full grids."""
    voxels, body, count = np.zeros(1, np.float32), np.zeros(1, np.float32), 0
    for target in reference:
        one = _prepared(target)
        voxels, body, count = voxels + one.voxels, body + one.body, count + 1
    affine, share = one.affine, float(np.mean(body)) / count
    options = PrepareOptions(
        float(spacing_of(affine)[0]),
        "ct" if one.intensity == "ct" else "mr",
        "centre" if share > FULL else "affine",
    )
    return Template(
        np.asarray(voxels / count, dtype=np.float32),
        np.asarray(body / count, dtype=np.float32),
        affine,
        options,
    )


def _left_out_in_turn(
    reference: Iterable[ScanTarget], index: Index, seed: int
) -> dict[int, Unseen]:
    """Each real scan, by number, against all persons but its own; MOST_HELD_OUT of many."""
    order = np.random.default_rng(seed).permutation(len(index.persons))
    chosen = set(order[:MOST_HELD_OUT].tolist())
    return {
        number: unseen(target, index, without=[int(index.persons[number])])
        for number, target in enumerate(reference)
        if number in chosen
    }


def _again_without_kin(
    reference: Iterable[ScanTarget], first: Mapping[int, Unseen], index: Index
) -> list[Unseen]:
    """The same, but those who turned out to have kin are judged again without it."""
    return [
        unseen(target, index, without=[int(index.persons[number])])
        if first[number].kin
        else first[number]
        for number, target in enumerate(reference)
        if number in first
    ]


def _control(
    index: Index, subjects: Sequence[str], held_out: Mapping[str, float], scale: Sequence[float]
) -> int:
    """The number of the scan to control each run with: the plainest stranger of a few."""
    plain = sorted(held_out, key=lambda name: held_out[name])[:CONTROLS_TRIED]
    numbered = [subjects.index(name) for name in plain]
    return min(numbered, key=lambda number: unseen_value(index, number, scale))


def _prepared(target: ScanTarget) -> Prepared:
    if target.prepared is None:
        raise NotJudged(f"{target.ref.target} is not prepared")
    return target.prepared
