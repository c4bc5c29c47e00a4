"""How detection depends on the size of a fault: pooled over all local families."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

from benchmarks.anomaly.methods_under_test import ScoredCheck
from benchmarks.anomaly.trial import Outcome
from benchmarks.rates import auroc

EDGES = (0.0, 0.5, 1.0, 3.0, 10.0, float("inf"))  # ml; a ball of 1 ml has a radius of 6 mm


@dataclass(frozen=True, slots=True)
class Pair:
    """One check's result on one planted fault."""

    panel: ScoredCheck
    outcome: Outcome

    @property
    def score(self) -> float:
        """The panel's score of the scan."""
        return self.outcome.scores[self.panel.key]

    @property
    def volume(self) -> float:
        """The fault's volume in ml."""
        return self.outcome.places[self.panel.key].volume


def by_size(pairs: Sequence[Pair], clean: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    """A row for each range of volumes; `clean` holds the untouched scores by the panel's key."""
    return list(_rows(pairs, clean))


def _rows(pairs: Sequence[Pair], clean: Mapping[str, Sequence[float]]) -> Iterator[dict[str, Any]]:
    for low, high in pairwise(EDGES):
        some = [pair for pair in pairs if low <= pair.volume < high]
        if not some:
            continue
        places = [pair.outcome.places[pair.panel.key] for pair in some]
        row = {
            "auroc": fmean(auroc([pair.score], clean[pair.panel.key]) for pair in some),
            "caught": fmean(pair.score > pair.panel.limits()[0] for pair in some),
            "caught_at_5": fmean(pair.score > pair.panel.limits()[1] for pair in some),
            "ap": fmean(one.precision for one in places),
            "iou": fmean(one.iou for one in places),
            "pointing": fmean(one.pointed for one in places),
        }
        ends = {"from_ml": low, "to_ml": high if high < EDGES[-1] else None}
        yield {**ends, "faults": len(some), **{n: round(v, 4) for n, v in row.items()}}
