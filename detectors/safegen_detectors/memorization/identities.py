"""Which scans show the same person, whatever name each is filed under."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from safegen_detectors.memorization.search.index import Index
from safegen_detectors.memorization.search.margins import standard_scores
from safegen_detectors.memorization.search.match import Likeness

SAME_IDENTITY_COSINE = 0.7  # mean cosine of blocks at the same place; other people reach 0.5
SAME_IDENTITY_SCORE = 0.8  # mean score above others; twins of 80 patients had 1.1, others 0.4
FEWEST_FOR_SAME_IDENTITY = 12  # persons; four phantoms were all taken for the same


def find_identities(descriptors: torch.Tensor, subjects: Sequence[str]) -> list[str]:
    """The name of the person that each scan shows: subjects that look the same get one name.

    `descriptors` (blocks, scans, c).
    """
    alike = torch.triu(mean_cosines(descriptors) > SAME_IDENTITY_COSINE, 1)
    names = list(subjects)
    for first, second in torch.nonzero(alike).tolist():
        names = _merge(names, names[first], names[second])
    return names


def mean_cosines(descriptors: torch.Tensor) -> torch.Tensor:
    """The mean cosine (scans, scans) of blocks at the same place."""
    flat = descriptors.transpose(0, 1).flatten(1)
    return flat @ flat.T / len(descriptors)


def same_identity(
    likenesses: Sequence[Likeness], without: Sequence[int], index: Index
) -> tuple[int, ...]:
    """The persons whom a scan resembles everywhere far more than people resemble each other.

    None where there are few others, whose differences say little. Crops are not compared:
    strangers' crops can be alike everywhere, and one person's can show different places.
    """
    if index.template.options.align == "centre" or len(index.names) < FEWEST_FOR_SAME_IDENTITY:
        return ()
    remaining = [person for person in range(len(index.names)) if person not in without]
    overall = standard_scores(likenesses[0].cosines).mean(1)
    return tuple(
        remaining[n] for n in torch.nonzero(overall > SAME_IDENTITY_SCORE).flatten().tolist()
    )


def merge_identities(pairs: Iterable[tuple[int, int]], persons: Sequence[str]) -> list[str]:
    """The persons of each scan, where two who resemble each other in both directions get one name.

    `pairs` are (a scan's person, a person it resembles everywhere), numbered by first appearance in
    `persons`. They are one person under two names, or twins; apart, each would hide copies of the
    other.
    """
    order = list(dict.fromkeys(persons))
    alike = {(order[one], order[other]) for one, other in pairs}
    names = list(persons)
    for one, other in sorted(alike):
        if (other, one) in alike:
            name = dict(zip(persons, names, strict=True))
            names = _merge(names, name[one], name[other])
    return names


def _merge(names: Sequence[str], surviving: str, replaced: str) -> list[str]:
    return [surviving if name == replaced else name for name in names]
