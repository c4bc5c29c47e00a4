"""Duplicates: the same patient twice in a release (mode collapse), or in two releases.

A profile of real scans gives the template, the limit, and the reference persons, who join
those of the release in one index: so a release of a few scans can be judged too. Scans that
look the same everywhere are grouped first, since they would hide each other; then every
scan is searched for in all groups but its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch

from pytest_safegen.api import Profile, ScanTarget, limit_at
from safegen_detectors.memorization.features.pattern import identity_pattern
from safegen_detectors.memorization.fit import find_identities
from safegen_detectors.memorization.score import FALSE_ALARM_RATE, MatchKind, locate, write_message
from safegen_detectors.memorization.search.index import (
    Index,
    index_from_profile,
    person_names,
    person_numbers,
)
from safegen_detectors.memorization.search.margins import strongest_margins
from safegen_detectors.memorization.search.orientation import orient
from safegen_detectors.memorization.search.translation import all_likenesses

REFERENCE = "\0"  # begins the names of the reference in the index; no subject can begin so


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two subjects, or more, who are one; `message` how that shows."""

    subjects: tuple[str, ...]
    message: str


def find_duplicates(
    release: Iterable[ScanTarget],
    profile: Profile,
    *,
    other: Iterable[ScanTarget] | None = None,
    device: str = "cpu",
) -> list[Duplicate]:
    """Duplicates within a release, or between it and another one.

    Scans of one subject are no duplicates of each other. `release` is iterated more than once.
    """
    index = release_index(release, profile, device)
    own = other is None
    groups = [release_subjects(name) for name in index.names]
    found = [
        Duplicate(group, "the scans are alike at every place")
        for group in groups
        if own and len(group) > 1
    ]
    pairs = [
        _find_duplicate(t, index, profile, own=own) for t in (release if other is None else other)
    ]
    return [*found, *_unique_pairs([pair for pair in pairs if pair is not None])]


def release_index(release: Iterable[ScanTarget], profile: Profile, device: str) -> Index:
    """The release's own scans, and those of the reference, as an index."""
    known = index_from_profile(profile, device)
    scans = [(target.ref.subject, _descriptors(target, known)) for target in release]
    descriptors = torch.stack([described for _, described in scans], 1)
    real = [f"{REFERENCE}{name}" for name in profile.facts["persons"]]
    subjects = [*(subject for subject, _ in scans), *real]
    descriptors = torch.cat([descriptors, known.descriptors], 1)
    persons = find_identities(descriptors, subjects)
    index = replace(
        known,
        descriptors=descriptors,
        persons=person_numbers(persons),
        names=person_names(subjects, persons),
    )
    return index.with_spectra()


def release_subjects(name: str) -> tuple[str, ...]:
    """The subjects of the release among those that a person of the index is called by."""
    return tuple(one for one in name.split(" = ") if not one.startswith(REFERENCE))


def _descriptors(target: ScanTarget, index: Index) -> torch.Tensor:
    return index.describer.describe(identity_pattern(orient(target, index.template).prepared))[:, 0]


def _find_duplicate(
    target: ScanTarget, index: Index, profile: Profile, *, own: bool
) -> Duplicate | None:
    subject = target.ref.subject
    person = _person_of(subject, index) if own else -1
    stance = orient(target, index.template)
    volume = identity_pattern(stance.prepared)
    found = all_likenesses(volume, index, without=[person])
    others = index.without(person)
    evidence = strongest_margins(found, others, profile.facts["scale"])
    limit = limit_at(profile.calibration, FALSE_ALARM_RATE).value
    if not evidence.value(profile.facts["scale"]) > limit:
        return None
    name = others.names[evidence.person]
    if not (same := release_subjects(name)):
        return None  # a reference patient, whom the check itself names
    where = locate(volume, stance.prepared, evidence, others)
    message = write_message(MatchKind.COPY, where, evidence, stance, " = ".join(same))
    return Duplicate((subject, *same), message.replace("the reference patient ", ""))


def _person_of(subject: str, index: Index) -> int:
    return next(n for n, name in enumerate(index.names) if subject in release_subjects(name))


def _unique_pairs(pairs: Iterable[Duplicate]) -> list[Duplicate]:
    """A pair is found from both sides; the first is kept."""
    kept: dict[tuple[str, ...], Duplicate] = {}
    for pair in pairs:
        kept.setdefault(tuple(sorted(pair.subjects)), pair)
    return list(kept.values())
