"""The same person under two names in the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from safegen_detectors.memorization.calibrating import Unseen

SAME_PERSON = 0.7  # mean cosine of blocks at the same place; other people reach 0.5


def persons_in(descriptors: torch.Tensor, subjects: Sequence[str]) -> list[str]:
    """A name a scan for the person it shows: subjects that look the same get one name.

    `descriptors` (blocks, scans, c).
    """
    alike = torch.triu(likeness_between(descriptors) > SAME_PERSON, 1)
    names = list(subjects)
    for n, m in torch.nonzero(alike).tolist():
        names = _as_one(names, names[n], names[m])
    return names


def with_kin(unseen: Mapping[int, Unseen], persons: Sequence[str]) -> list[str]:
    """Persons who are like each other everywhere, seen from both sides, get one name.

    They are the same person under two names, or twins. Apart, they would hide each other's copies.
    """
    order = list(dict.fromkeys(persons))
    kin = {(order[one.person], order[other]) for one in unseen.values() for other in one.kin}
    names = list(persons)
    for one, other in sorted(kin):
        if (other, one) in kin:
            name = dict(zip(persons, names, strict=True))
            names = _as_one(names, name[one], name[other])
    return names


def _as_one(names: Sequence[str], kept: str, gone: str) -> list[str]:
    return [kept if name == gone else name for name in names]


def likeness_between(descriptors: torch.Tensor) -> torch.Tensor:
    """The mean cosine (scans, scans) of blocks at the same place."""
    flat = descriptors.transpose(0, 1).flatten(1)
    return flat @ flat.T / len(descriptors)
