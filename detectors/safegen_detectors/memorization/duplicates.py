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
from safegen_detectors.memorization.copied_region import locate
from safegen_detectors.memorization.features.pattern import identity_pattern
from safegen_detectors.memorization.identities import find_identities
from safegen_detectors.memorization.match_kind import FALSE_ALARM_RATE, MatchKind
from safegen_detectors.memorization.messages import Match, message
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
    """Two or more subjects who are one person; `message` says how that shows."""

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

    Scans of one subject are not duplicates of each other. `release` is iterated more than once.
    """
    index = release_index(release, profile, device)
    within = other is None
    groups = [release_subjects(name) for name in index.names]
    duplicates = [
        Duplicate(group, "the scans are alike everywhere")
        for group in groups
        if within and len(group) > 1
    ]
    pairs = [
        _find_duplicate(target, index, profile, within=within)
        for target in (release if other is None else other)
    ]
    return [*duplicates, *_unique_pairs([pair for pair in pairs if pair is not None])]


def release_index(release: Iterable[ScanTarget], profile: Profile, device: str) -> Index:
    """The release's own scans, and those of the reference, as an index."""
    reference = index_from_profile(profile, device)
    scans = [(target.ref.subject, _descriptors(target, reference)) for target in release]
    own = torch.stack([descriptors for _, descriptors in scans], 1)
    real = [f"{REFERENCE}{name}" for name in profile.facts["persons"]]
    subjects = [*(subject for subject, _ in scans), *real]
    descriptors = torch.cat([own, reference.descriptors], 1)
    persons = find_identities(descriptors, subjects)
    index = replace(
        reference,
        descriptors=descriptors,
        persons=person_numbers(persons),
        names=person_names(subjects, persons),
    )
    return index.with_spectra()


def release_subjects(name: str) -> tuple[str, ...]:
    """The subjects of the release among the names of a person of the index."""
    return tuple(one for one in name.split(" = ") if not one.startswith(REFERENCE))


def _descriptors(target: ScanTarget, index: Index) -> torch.Tensor:
    return index.describer.describe(identity_pattern(orient(target, index.template).prepared))[:, 0]


def _find_duplicate(
    target: ScanTarget, index: Index, profile: Profile, *, within: bool
) -> Duplicate | None:
    subject, scale = target.ref.subject, profile.facts["scale"]
    person = _person_of(subject, index) if within else -1
    oriented = orient(target, index.template)
    pattern = identity_pattern(oriented.prepared)
    likenesses = all_likenesses(pattern, index, without=[person])
    others = index.without(person)
    margins = strongest_margins(likenesses, others, scale)
    limit = limit_at(profile.calibration, FALSE_ALARM_RATE).value
    if not margins.value(scale) > limit:
        return None
    same = release_subjects(others.names[margins.person])
    if not same:
        return None  # a reference patient, whom the check itself names
    region = locate(pattern, oriented.prepared, margins, others)
    name = " = ".join(same)
    text = message(Match(MatchKind.COPY, name, region, margins, oriented), patient=name)
    return Duplicate((subject, *same), f"{text} (local correlation {region.correlation:.2f})")


def _person_of(subject: str, index: Index) -> int:
    return next(n for n, name in enumerate(index.names) if subject in release_subjects(name))


def _unique_pairs(pairs: Iterable[Duplicate]) -> list[Duplicate]:
    """The pairs without those found from both sides; the first is kept."""
    unique: dict[tuple[str, ...], Duplicate] = {}
    for pair in pairs:
        unique.setdefault(tuple(sorted(pair.subjects)), pair)
    return list(unique.values())
