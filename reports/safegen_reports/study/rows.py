"""Readings as a tidy table: a row an answer, with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from safegen_reports.study.model import SYNTHETIC, Answer, Key, Reading

WITH, WITHOUT = "with heatmap", "without"


@dataclass(frozen=True, slots=True)
class Row:
    """One answer of one reader, and what it was about."""

    reader: int
    token: str
    kind: str
    target: str
    condition: str
    said: Answer

    @property
    def correct(self) -> bool:
        """True if the reader was right."""
        return self.said.answer == self.kind

    @property
    def is_synthetic(self) -> bool:
        """The truth."""
        return self.kind == SYNTHETIC


def rows_of(key: Key, readings: Sequence[Reading]) -> list[Row]:
    """All answers, by reader and in the order in which they were given."""
    cases = {case.token: case for case in key.cases}
    return [
        Row(
            reading.reader,
            answer.token,
            cases[answer.token].kind,
            cases[answer.token].target,
            WITH if answer.heatmap else WITHOUT,
            answer,
        )
        for reading in readings
        for answer in reading.answers
    ]


def conditions(rows: Sequence[Row]) -> list[str]:
    """The conditions of the study, the one without heatmaps first."""
    return sorted({row.condition for row in rows}, reverse=True)
