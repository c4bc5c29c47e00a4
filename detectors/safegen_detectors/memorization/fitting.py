"""Build the index of reference patients, find the same person under two names, set the scales."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_safegen import Fitted, NotJudged, Prepared, ScanTarget
from safegen_detectors.memorization.descriptors import (
    Lattice,
    Volume,
    blocks,
    described,
    lattice_of,
    mirror_shift,
    pattern,
    principal_axes,
)
from safegen_detectors.memorization.votes import Index, Vote, votes

FEWEST_BLOCKS = 8
FEWEST_OTHERS = 2  # a margin is against the best other patient
BLOCKS_FOR_AXES = 20_000
PATIENTS_FOR_SCALE = 40
SAME_PERSON = 0.8  # mean cosine of blocks; other people reach 0.4, a rescan of one person 0.9
SMALLEST_SPREAD = 0.25  # of a logarithm; keeps a scale from few patients from being too sharp


def fit(reference: Iterable[ScanTarget], *, seed: int) -> Fitted:
    """Descriptors of every reference scan, who is whom, and the scale of unseen real patients.

    Raises:
        NotJudged: the reference scans share too little body to compare.
    """
    lattice = _lattice(reference)
    subjects = [target.ref.subject for target in reference]
    axes = _axes(reference, lattice, len(subjects), seed)
    descriptors = torch.stack(
        [described(blocks(pattern(_prepared(t)), lattice), axes) for t in reference]
    )
    persons = _persons(descriptors, subjects)
    shift = mirror_shift(np.mean([_prepared(target).body for target in reference], axis=0))
    everyone = Index(descriptors, person_numbers(persons), lattice, axes, shift)
    scale = _scale(reference, everyone, persons, seed)
    arrays = {
        "descriptors": descriptors.half().numpy(),
        "axes": axes,
        "corners": lattice.corners,
    }
    return Fitted(
        arrays, {"subjects": subjects, "persons": persons, "mirror_shift": shift, **scale}
    )


def _lattice(reference: Iterable[ScanTarget]) -> Lattice:
    bodies = [_prepared(target).body for target in reference]
    lattice = lattice_of(np.mean(bodies, axis=0) > 0.5)
    if len(lattice.corners) < FEWEST_BLOCKS:
        raise NotJudged("the real scans share too little body to compare patients")
    return lattice


def _axes(reference: Iterable[ScanTarget], lattice: Lattice, scans: int, seed: int) -> Volume:
    """Principal axes of a random sample of blocks over all scans."""
    each = max(1, min(len(lattice.corners), BLOCKS_FOR_AXES // scans))
    random = np.random.default_rng(seed)
    samples = []
    for target in reference:
        chosen = random.choice(len(lattice.corners), each, replace=False)
        samples.append(blocks(pattern(_prepared(target)), Lattice(lattice.corners[chosen])))
    return principal_axes(np.concatenate(samples))


def _persons(descriptors: torch.Tensor, subjects: Sequence[str]) -> list[str]:
    """A name a scan for the person it shows: two subjects that look the same get one name."""
    names = list(subjects)
    for n, own in enumerate(descriptors):
        likeness = torch.einsum("sbc,bc->sb", descriptors[:n], own).mean(1)
        for m in np.flatnonzero(likeness.numpy() > SAME_PERSON):
            old, new = names[n], names[int(m)]
            names = [new if name == old else name for name in names]
    return names


def person_numbers(persons: Sequence[str]) -> NDArray[np.int64]:
    """Persons as numbers, in order of first appearance."""
    order = {name: number for number, name in enumerate(dict.fromkeys(persons))}
    return np.array([order[name] for name in persons], dtype=np.int64)


def _scale(
    reference: Iterable[ScanTarget], index: Index, persons: Sequence[str], seed: int
) -> dict[str, list[float]]:
    """Median and spread of the log evidence of real patients who are not in the index."""
    order = np.random.default_rng(seed).permutation(len(persons))[:PATIENTS_FOR_SCALE]
    raw = []
    for number, target in enumerate(reference):
        if number not in order:
            continue
        kept = np.array([person != persons[number] for person in persons])
        left = [person for person, keep in zip(persons, kept, strict=True) if keep]
        if len(set(left)) < FEWEST_OTHERS:
            continue
        others = Index(
            index.descriptors[kept],
            person_numbers(left),
            index.lattice,
            index.axes,
            index.mirror_shift,
        )
        found = votes(_prepared(target), others)
        raw.append(_strongest_raw(found))
    if not raw:
        raise NotJudged("the real scans show too few people to tell one from another")
    logs = np.log(np.maximum(np.array(raw), 1e-6))
    middle = np.median(logs, axis=0)
    spread = 1.4826 * np.median(np.abs(logs - middle), axis=0)
    return {"middle": middle.tolist(), "spread": np.maximum(spread, SMALLEST_SPREAD).tolist()}


def _strongest_raw(found: Sequence[Vote]) -> tuple[float, float]:
    return max(vote.together for vote in found), max(vote.locally for vote in found)


def _prepared(target: ScanTarget) -> Prepared:
    if target.prepared is None:
        raise NotJudged(f"{target.ref.target} is not prepared")
    return target.prepared
