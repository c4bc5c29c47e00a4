"""The same patient twice in a release (mode collapse), or in two releases.

A profile of real scans gives the template, the limit, and the persons of the reference, who stand
beside those of the release in one index: how much two stand out from all others can be told in a
release of a few scans too. What looks the same at every place is grouped first, since the members
of a group would hide each other; then every scan is searched for in all groups but its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch

from pytest_safegen.api import Profile, ScanTarget, limit_at
from safegen_detectors.memorization.anywhere import compared
from safegen_detectors.memorization.evidence import strongest
from safegen_detectors.memorization.index import Index, called, index_of, numbers
from safegen_detectors.memorization.locating import located
from safegen_detectors.memorization.patterns import pattern
from safegen_detectors.memorization.persons import persons_in
from safegen_detectors.memorization.stances import stance_of
from safegen_detectors.memorization.words import FALSE_ALARMS, Kind, sentence

REFERENCE = "\0"  # begins the names of the reference in the index; no subject can begin so


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two subjects, or more, who are one; `says` how that shows."""

    subjects: tuple[str, ...]
    says: str


def duplicates(
    release: Iterable[ScanTarget],
    profile: Profile,
    *,
    other: Iterable[ScanTarget] | None = None,
    device: str = "cpu",
) -> list[Duplicate]:
    """Duplicates within a release, or between it and another one.

    Scans of one subject are no duplicates of each other. `release` is iterated more than once.
    """
    index = index_of_release(release, profile, device)
    own = other is None
    groups = [of_release(name) for name in index.names]
    found = [
        Duplicate(group, "the scans are alike at every place")
        for group in groups
        if own and len(group) > 1
    ]
    pairs = [_searched(t, index, profile, own=own) for t in (release if other is None else other)]
    return [*found, *_each_once([pair for pair in pairs if pair is not None])]


def index_of_release(release: Iterable[ScanTarget], profile: Profile, device: str) -> Index:
    """The release's own scans, and those of the reference, as an index."""
    known = index_of(profile, device)
    scans = [(target.ref.subject, _described(target, known)) for target in release]
    descriptors = torch.stack([described for _, described in scans], 1)
    real = [f"{REFERENCE}{name}" for name in profile.facts["persons"]]
    subjects = [*(subject for subject, _ in scans), *real]
    descriptors = torch.cat([descriptors, known.descriptors], 1)
    persons = persons_in(descriptors, subjects)
    index = replace(
        known, descriptors=descriptors, persons=numbers(persons), names=called(subjects, persons)
    )
    return index.with_spectra()


def of_release(name: str) -> tuple[str, ...]:
    """The subjects of the release among those that a person of the index is called by."""
    return tuple(one for one in name.split(" = ") if not one.startswith(REFERENCE))


def _described(target: ScanTarget, index: Index) -> torch.Tensor:
    return index.describer.describe(pattern(stance_of(target, index.template).prepared))[:, 0]


def _searched(target: ScanTarget, index: Index, profile: Profile, *, own: bool) -> Duplicate | None:
    subject = target.ref.subject
    person = _person_of(subject, index) if own else -1
    stance = stance_of(target, index.template)
    volume = pattern(stance.prepared)
    found = compared(volume, index, without=[person])
    others = index.without(person)
    evidence = strongest(found, others, profile.facts["scale"])
    limit = limit_at(profile.calibration, FALSE_ALARMS).value
    if not evidence.value(profile.facts["scale"]) > limit:
        return None
    name = others.names[evidence.person]
    if not (same := of_release(name)):
        return None  # a reference patient, whom the check itself names
    where = located(volume, stance.prepared, evidence, others)
    says = sentence(Kind.COPY, where, evidence, stance, " = ".join(same))
    return Duplicate((subject, *same), says.replace("the reference patient ", ""))


def _person_of(subject: str, index: Index) -> int:
    return next(n for n, name in enumerate(index.names) if subject in of_release(name))


def _each_once(pairs: Iterable[Duplicate]) -> list[Duplicate]:
    """A pair is found from both sides; the first is kept."""
    kept: dict[tuple[str, ...], Duplicate] = {}
    for pair in pairs:
        kept.setdefault(tuple(sorted(pair.subjects)), pair)
    return list(kept.values())
