"""Margins: how far one person stands out from all others, locally and overall.

For each block, each person's similarity (Fisher's z of the cosine) is standardised by the
mean and standard deviation of all other persons. The means of that over neighbouring
blocks, over wider surroundings and over all blocks are compared between the best person
and the best OTHER person at the same place. A copied part stands out in the first, a weak
copy of everything in the last. For a crop that was moved back, a fourth margin is that of
the cross-correlation that gave its displacement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from safegen_detectors.memorization.search.index import Index
from safegen_detectors.memorization.search.match import Likeness

ALMOST_ONE = 0.999
SMALLEST_SPREAD = 0.02  # of Fisher's z, so that blank blocks do not count
MOST_CANDIDATES = 64  # of a large reference, those who stand out most


@dataclass(frozen=True, slots=True)
class Margins:
    """What speaks for one person in one way of laying the scan over the reference.

    `strengths`: for each width of surroundings, for everything, and for where a crop fits best,
    the highest margin above the best other person, in standard deviations of the others.
    `margins` (blocks,) are those of the narrowest surroundings, `own` (blocks,) those of each block
    alone.
    """

    person: int
    strengths: tuple[float, ...]
    margins: torch.Tensor
    own: torch.Tensor
    likeness: Likeness

    def value(self, scale: Sequence[float]) -> float:
        """The strongest, each as a multiple of what few unseen real patients reach."""
        return max(a / b for a, b in zip(self.strengths, scale, strict=True))


def strongest_margins(
    likenesses: Sequence[Likeness], index: Index, scale: Sequence[float]
) -> Margins:
    """The strongest evidence over all poses, both contrasts and all persons."""
    found = [e for one in likenesses for e in _margins(one, index.means)]
    return max(found, key=lambda evidence: evidence.value(scale))


def highest_strengths(likenesses: Sequence[Likeness], index: Index) -> tuple[float, ...]:
    """The highest strength of each kind, whoever it speaks for."""
    found = [e.strengths for one in likenesses for e in _margins(one, index.means)]
    return tuple(max(column) for column in zip(*found, strict=True))


def standard_scores(cosines: torch.Tensor) -> torch.Tensor:
    """How far each person (persons, blocks) lies above the others, in their standard deviations.

    The nearest person is left out of mean and spread: it may be the one who was copied.
    """
    return _standardise(torch.atanh(cosines.clamp(-ALMOST_ONE, ALMOST_ONE)))


def _standardise(z: torch.Tensor) -> torch.Tensor:
    others = len(z) - 1
    top = z.amax(0)
    mean = (z.sum(0) - top) / others
    variance = ((z - mean).square().sum(0) - (top - mean).square()) / others
    return (z - mean) / (variance.clamp(min=0).sqrt() + SMALLEST_SPREAD)


def _margins(likeness: Likeness, means: Sequence[torch.Tensor]) -> list[Margins]:
    """Evidence for each person who is the strongest at one of the widths."""
    stands = standard_scores(likeness.cosines)
    compared = _candidates(stands, _translation_scores(likeness))
    few = stands[compared]
    fields = [*(few @ mean.T for mean in means), few.mean(1, keepdim=True)]
    fields.append(_translation_scores(likeness)[compared])
    tops = [field.topk(2, dim=0) for field in fields]
    leads = [top.values[0] - top.values[1] for top in tops]
    best = [int(lead.argmax()) for lead in leads]
    chosen = {int(top.indices[0, place]) for top, place in zip(tops, best, strict=True)}
    return [
        _margins_of_person(person, few, fields, compared, likeness) for person in sorted(chosen)
    ]


def _margins_of_person(
    person: int,
    few: torch.Tensor,
    fields: Sequence[torch.Tensor],
    compared: torch.Tensor,
    likeness: Likeness,
) -> Margins:
    leads = [_margin_over_others(field, person) for field in fields]
    return Margins(
        int(compared[person]),
        tuple(float(lead.max()) for lead in leads),
        leads[0],
        _margin_over_others(few, person),
        likeness,
    )


def _margin_over_others(field: torch.Tensor, person: int) -> torch.Tensor:
    """How far one person (persons, places) lies above the best other, at each place."""
    others = torch.cat([field[:person], field[person + 1 :]]).amax(0)
    return field[person] - others


def _translation_scores(likeness: Likeness) -> torch.Tensor:
    """How far each person (persons, 1) stands out where the crop fits best; 0 as it lies."""
    if likeness.heights is None:
        return likeness.cosines.new_zeros(len(likeness.cosines), 1)
    return _standardise(likeness.heights[:, None] / likeness.heights.mean())


def _candidates(stands: torch.Tensor, heights: torch.Tensor) -> torch.Tensor:
    """The persons worth comparing: all of few, else those who stand out somehow."""
    if len(stands) <= 2 * MOST_CANDIDATES:
        return torch.arange(len(stands), device=stands.device)
    somewhere = stands.amax(1).topk(MOST_CANDIDATES).indices
    everywhere = stands.mean(1).topk(MOST_CANDIDATES).indices
    worth = torch.zeros(len(stands), dtype=torch.bool, device=stands.device)
    at_its_best = heights[:, 0].topk(MOST_CANDIDATES).indices
    worth[torch.cat([somewhere, everywhere, at_its_best])] = True
    return worth.nonzero().flatten()
