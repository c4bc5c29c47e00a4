"""The key and the readers' answers: their files, and the table of observations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_safegen.api import UsageProblem

SCHEMA_VERSION = 1
REAL, SYNTHETIC = "real", "synthetic"
KINDS = (REAL, SYNTHETIC)
LIKERT_SCALE = range(1, 6)


@dataclass(frozen=True, slots=True)
class Case:
    """One scan under a random name; `kind` and `target` are only in the key."""

    token: str
    kind: str
    target: str


@dataclass(frozen=True, slots=True)
class Trial:
    """One reading: a case, in the first or second period, with its heatmap or without."""

    token: str
    period: int
    heatmap: bool


@dataclass(frozen=True, slots=True)
class StudyKey:
    """The organiser's key: the truth, and each reader's order."""

    study: str
    seed: int
    cases: tuple[Case, ...]
    orders: tuple[tuple[Trial, ...], ...]

    def kind_by_token(self) -> dict[str, str]:
        """The truth of each token."""
        return {case.token: case.kind for case in self.cases}


@dataclass(frozen=True, slots=True)
class Answer:
    """A reader's answer to one trial; ratings are 1 to 5, `seconds` the time to the answer."""

    token: str
    period: int
    heatmap: bool
    answer: str
    confidence: int
    realism: int
    usefulness: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class ReaderAnswers:
    """All answers of one reader, who has a number from 1 on."""

    reader: int
    answers: tuple[Answer, ...]


def key_to_json(key: StudyKey) -> str:
    """The key as a file."""
    return json.dumps({"schema": SCHEMA_VERSION, **asdict(key)}, indent=1) + "\n"


def read_key(path: Path) -> StudyKey:
    """The key in a file; raises UsageProblem if it is no key."""
    plain = _load_json(path)
    try:
        return StudyKey(
            str(plain["study"]),
            int(plain["seed"]),
            tuple(Case(**case) for case in plain["cases"]),
            tuple(tuple(Trial(**trial) for trial in order) for order in plain["orders"]),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise UsageProblem(f"{path} is no key of a reader study ({problem!r}).") from problem


def read_answers(path: Path, key: StudyKey) -> ReaderAnswers:
    """The answers of a file, complete and of this study; raises UsageProblem if they are not."""
    plain = _load_json(path)
    if plain.get("study") != key.study:
        raise UsageProblem(f"{path} belongs to another study, not to that of the key.")
    try:
        reader = int(plain["reader"])
        order = key.orders[reader - 1] if reader > 0 else ()
        answers = tuple(_parse_answer(each, path) for each in plain["answers"])
    except (KeyError, TypeError, ValueError, IndexError) as problem:
        raise UsageProblem(f"{path} holds no answers of a reader ({problem!r}).") from problem
    trials = [Trial(each.token, each.period, each.heatmap) for each in answers]
    if trials != list(order):
        raise UsageProblem(
            f"{path} has {len(answers)} answers that are not the {len(order)} asked of reader "
            f"{reader}, in their order; let the reader finish the page and send the file again."
        )
    return ReaderAnswers(reader, answers)


def read_all_answers(paths: Sequence[Path], key: StudyKey) -> list[ReaderAnswers]:
    """The readings of several files, by reader; raises UsageProblem if a reader comes twice."""
    found: dict[int, ReaderAnswers] = {}
    for path in paths:
        reading = read_answers(path, key)
        if reading.reader in found:
            raise UsageProblem(
                f"{path} is a second file of reader {reading.reader}; leave one out."
            )
        found[reading.reader] = reading
    return [found[reader] for reader in sorted(found)]


def _parse_answer(plain: Mapping[str, Any], path: Path) -> Answer:
    answer = Answer(**{name: plain[name] for name in Answer.__slots__})
    ratings = [answer.confidence, answer.realism]
    ratings += [] if answer.usefulness is None else [answer.usefulness]
    sane = answer.answer in KINDS and all(rating in LIKERT_SCALE for rating in ratings)
    if not sane or not isinstance(answer.seconds, int | float) or not answer.seconds >= 0:
        raise UsageProblem(f"{path} has an invalid answer: {dict(plain)!r}.")
    return answer


def _load_json(path: Path) -> dict[str, Any]:
    try:
        plain = json.loads(path.read_bytes())
    except OSError as problem:
        raise UsageProblem(f"{path} cannot be read: {problem.strerror}.") from problem
    except ValueError as problem:
        raise UsageProblem(f"{path} is not JSON: {problem}.") from problem
    if not isinstance(plain, dict) or plain.get("schema") != SCHEMA_VERSION:
        raise UsageProblem(f"{path} is no file of a reader study of schema {SCHEMA_VERSION}.")
    return plain


WITH_HEATMAP, WITHOUT_HEATMAP = "with heatmap", "without"


@dataclass(frozen=True, slots=True)
class Observation:
    """One answer of one reader, with the truth about its scan."""

    reader: int
    token: str
    kind: str
    target: str
    condition: str
    response: Answer

    @property
    def correct(self) -> bool:
        """True if the reader was right."""
        return self.response.answer == self.kind

    @property
    def is_synthetic(self) -> bool:
        """True if the scan is synthetic."""
        return self.kind == SYNTHETIC


def observations(key: StudyKey, readings: Sequence[ReaderAnswers]) -> list[Observation]:
    """All answers, by reader and in the order in which they were given."""
    cases = {case.token: case for case in key.cases}
    return [
        Observation(
            reading.reader,
            answer.token,
            cases[answer.token].kind,
            cases[answer.token].target,
            WITH_HEATMAP if answer.heatmap else WITHOUT_HEATMAP,
            answer,
        )
        for reading in readings
        for answer in reading.answers
    ]


def conditions(rows: Sequence[Observation]) -> list[str]:
    """The conditions of the study, the one without heatmaps first."""
    return sorted({row.condition for row in rows}, reverse=True)
