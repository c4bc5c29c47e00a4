"""In which order readers see cases: random, and crossed over between with and without heatmaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from safegen_reports.study.model import Case, Trial


def orders(
    cases: Sequence[Case], *, readers: int, heatmaps: bool, random: np.random.Generator
) -> tuple[tuple[Trial, ...], ...]:
    """An order a reader.

    With heatmaps each case is read twice: in the first period half of the cases of each kind have
    their heatmap, in the second the other half. Every other reader has the halves the other way
    round, so that neither order nor learning favours a condition. Without, each case is read once.
    """
    if not heatmaps:
        return tuple(_shuffled(cases, set(), 1, random) for _ in range(readers))
    first = _half(cases, random)
    second = {case.token for case in cases} - first
    halves = [(first, second), (second, first)]
    return tuple(
        _shuffled(cases, halves[reader % 2][0], 1, random)
        + _shuffled(cases, halves[reader % 2][1], 2, random)
        for reader in range(readers)
    )


def _half(cases: Sequence[Case], random: np.random.Generator) -> set[str]:
    """The tokens of half of the cases of each kind."""
    chosen: set[str] = set()
    for kind in sorted({case.kind for case in cases}):
        tokens = [case.token for case in cases if case.kind == kind]
        chosen |= {tokens[place] for place in random.permutation(len(tokens))[: len(tokens) // 2]}
    return chosen


def _shuffled(
    cases: Sequence[Case], with_heatmap: set[str], period: int, random: np.random.Generator
) -> tuple[Trial, ...]:
    return tuple(
        Trial(cases[place].token, period, cases[place].token in with_heatmap)
        for place in random.permutation(len(cases))
    )
