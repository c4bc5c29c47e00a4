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
    """How far one person leads all others, in one way of laying the scan over the reference.

    `strengths`: for each width of surroundings, for everything, and for where a crop fits best,
    the highest margin above the best other person, in standard deviations of the others.
    `by_neighbourhood` (blocks,) are the margins in the narrowest surroundings, `by_block` (blocks,)
    those of each block alone.
    """

    person: int
    strengths: tuple[float, ...]
    by_neighbourhood: torch.Tensor
    by_block: torch.Tensor
    likeness: Likeness

    def value(self, scale: Sequence[float]) -> float:
        """The highest strength, each as a multiple of what few unseen real patients reach."""
        return max(a / b for a, b in zip(self.strengths, scale, strict=True))


def strongest_margins(
    likenesses: Sequence[Likeness], index: Index, scale: Sequence[float]
) -> Margins:
    """The strongest margins over all poses, both contrasts and all persons."""
    candidates = [one for likeness in likenesses for one in _margins(likeness, index.means)]
    return max(candidates, key=lambda margins: margins.value(scale))


def highest_strengths(likenesses: Sequence[Likeness], index: Index) -> tuple[float, ...]:
    """The highest strength of each kind, of any person."""
    rows = [one.strengths for likeness in likenesses for one in _margins(likeness, index.means)]
    return tuple(max(column) for column in zip(*rows, strict=True))


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
    """Margins of each person who leads the most at one of the widths."""
    scores = standard_scores(likeness.cosines)
    candidates = _candidates(scores, _translation_scores(likeness))
    by_block = scores[candidates]
    averages = [*(by_block @ mean.T for mean in means), by_block.mean(1, keepdim=True)]
    averages.append(_translation_scores(likeness)[candidates])
    best_two = [average.topk(2, dim=0) for average in averages]
    leads = [two.values[0] - two.values[1] for two in best_two]
    places = [int(lead.argmax()) for lead in leads]
    persons = {int(two.indices[0, place]) for two, place in zip(best_two, places, strict=True)}
    return [
        _margins_of_person(person, by_block, averages, candidates, likeness)
        for person in sorted(persons)
    ]


def _margins_of_person(
    person: int,
    by_block: torch.Tensor,
    averages: Sequence[torch.Tensor],
    candidates: torch.Tensor,
    likeness: Likeness,
) -> Margins:
    leads = [_margin_over_others(average, person) for average in averages]
    return Margins(
        int(candidates[person]),
        tuple(float(lead.max()) for lead in leads),
        leads[0],
        _margin_over_others(by_block, person),
        likeness,
    )


def _margin_over_others(scores: torch.Tensor, person: int) -> torch.Tensor:
    """How far one person (persons, places) lies above the best other, at each place."""
    others = torch.cat([scores[:person], scores[person + 1 :]]).amax(0)
    return scores[person] - others


def _translation_scores(likeness: Likeness) -> torch.Tensor:
    """How far each person (persons, 1) stands out where the crop fits best; 0 if not moved."""
    if likeness.peaks is None:
        return likeness.cosines.new_zeros(len(likeness.cosines), 1)
    return _standardise(likeness.peaks[:, None] / likeness.peaks.mean())


def _candidates(scores: torch.Tensor, translation: torch.Tensor) -> torch.Tensor:
    """The persons worth comparing: all, or of many those who stand out somehow."""
    if len(scores) <= 2 * MOST_CANDIDATES:
        return torch.arange(len(scores), device=scores.device)
    somewhere = scores.amax(1).topk(MOST_CANDIDATES).indices
    everywhere = scores.mean(1).topk(MOST_CANDIDATES).indices
    translated = translation[:, 0].topk(MOST_CANDIDATES).indices
    chosen = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    chosen[torch.cat([somewhere, everywhere, translated])] = True
    return chosen.nonzero().flatten()
