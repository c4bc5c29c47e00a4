"""Build the index of reference persons and calibrate the score on held-out patients.

Three steps: describe every reference scan; find which scans show the same person, whatever
they are called; score real patients who are left out of the index.
"""

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
    ScanTarget,
    Template,
    spacing_of,
)
from safegen_detectors.memorization.calibrate import (
    fit_scale,
    leave_one_out,
    rescore_merged,
    scores_by_subject,
)
from safegen_detectors.memorization.features.descriptors import (
    Describer,
    frequencies,
    frequency_weights,
)
from safegen_detectors.memorization.features.lattice import lattice_of
from safegen_detectors.memorization.features.pattern import identity_pattern
from safegen_detectors.memorization.identities import find_identities, merge_identities
from safegen_detectors.memorization.pseudonyms import Pseudonyms
from safegen_detectors.memorization.search.index import (
    FEWEST_PERSONS,
    Index,
    index_to_profile,
    neighbourhood_means,
    person_names,
    person_numbers,
)
from safegen_detectors.memorization.search.poses import mirrored_axes
from safegen_detectors.memorization.self_test import held_out_score

FEWEST_BLOCKS = 8
SELF_TEST_CANDIDATES = 8
FULL_GRID_SHARE = 0.9  # mean share of the grid that a crop's tissue fills


def fit(reference: Iterable[ScanTarget], *, seed: int, pseudonyms: Pseudonyms) -> Fitted:
    """Descriptors of every reference scan, who is whom, and scores of patients left out in turn.

    Raises:
        NotJudged: the reference scans share too little body, or show too few persons.
    """
    index, subjects = _build_index(reference)
    persons = find_identities(index.descriptors, subjects)
    index = _with_identities(index, subjects, persons)
    first_pass = leave_one_out(reference, index, seed)
    alike = [(one.person, other) for one in first_pass.values() for other in one.same_identity]
    persons = merge_identities(alike, persons)
    index = _with_identities(index, subjects, persons)
    held_out = rescore_merged(reference, first_pass, index)
    scores, scale = scores_by_subject(held_out), fit_scale(held_out)
    arrays, facts = index_to_profile(
        index, [pseudonyms.of(one) for one in subjects], [pseudonyms.of(one) for one in persons]
    )
    learned = {
        "scale": list(scale),
        "typical": min(one.typical for one in held_out),
        "control": _choose_self_test_scan(index, subjects, scores, scale),
    }
    return Fitted(arrays, {**facts, **learned}, scores)


def _with_identities(index: Index, subjects: Sequence[str], persons: Sequence[str]) -> Index:
    """The index with the persons that were found.

    Raises:
        NotJudged: there are too few to tell one from another when one is left out.
    """
    names = person_names(subjects, persons)
    if len(names) <= FEWEST_PERSONS:
        raise NotJudged(
            f"the real scans show {len(names)} persons, too few to tell them apart",
            headline=f"Only {len(names)} persons in the reference",
        )
    return replace(index, persons=person_numbers(persons), names=names)


def _build_index(reference: Iterable[ScanTarget]) -> tuple[Index, list[str]]:
    """The index with every scan as a person of its own, and the scans' subjects."""
    template = _mean_template(reference)
    lattice = lattice_of(template.body > 0.5, mirrored=mirrored_axes(template))
    if len(lattice.corners) < FEWEST_BLOCKS:
        raise NotJudged(
            "the real scans share too little body to compare patients",
            headline="The reference scans share too little body",
        )
    unweighted = Describer(lattice, torch.ones(len(frequencies())))
    patterns = (identity_pattern(_prepared_scan(target)) for target in reference)
    raw = torch.stack([unweighted.coefficients(one, reach=0)[:, 0] for one in patterns], 1)
    describer = Describer(lattice, frequency_weights(raw))
    descriptors = describer.normalise(raw)
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
    """The mean of the reference, to align rotated scans anew; crops are known by full grids."""
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


def _choose_self_test_scan(
    index: Index, subjects: Sequence[str], scores: Mapping[str, float], scale: Sequence[float]
) -> int:
    """The number of the scan for the self-test of each run: of a few, the one like nobody else."""
    lowest = sorted(scores, key=lambda name: scores[name])[:SELF_TEST_CANDIDATES]
    candidates = [subjects.index(name) for name in lowest]
    return min(candidates, key=lambda number: held_out_score(index, number, scale))


def _prepared_scan(target: ScanTarget) -> Prepared:
    if target.prepared is None:
        raise NotJudged(
            f"{target.ref.target} is not prepared", headline="The scan could not be prepared"
        )
    return target.prepared
