"""Names of the measures of expectations, and messages and headlines of their failures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_safegen.api import shortened
from safegen_detectors.cohort.judge import Outcome
from safegen_detectors.cohort.suite import CRITICAL, Expectation
from safegen_detectors.integrity.text import counted

SCANS_NAMED = 3
"""How many scans a message names; it counts the others."""

_MILLIMETRES = ("spacing_", "extent_")
_NOUNS = {"spacing": "voxel size", "shape": "number of voxels", "extent": "field of view"}


def measure_names(expectations: Sequence[Expectation]) -> list[str]:
    """Unique names, each with its severity first: "critical.spacing_i_between"."""
    names: list[str] = []
    for expectation in expectations:
        name = f"{expectation.get('severity') or CRITICAL}.{_short_name(expectation)}"
        same = sum(
            re.fullmatch(rf"{re.escape(name)}(__\d+)?", taken) is not None for taken in names
        )
        names.append(f"{name}__{same + 1}" if same else name)
    return names


def _short_name(expectation: Expectation) -> str:
    verb = re.sub(r"^expect_(column_values_|column_)?|to_be_|to_(?=not_)", "", expectation["type"])
    column = expectation["kwargs"].get("column")
    return f"{column}_{verb}" if column else verb


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that does not hold: its outcome for the scans, by their targets.

    `source` is what the expectation comes from: "reference" or "suite".
    """

    expectation: Expectation
    outcome: Outcome
    targets: Sequence[str]
    source: str = "reference"

    def message(self) -> str:
        """What is wrong, and in which scans, as one clause."""
        if self.outcome.problem:
            name = _short_name(self.expectation)
            return f"'{name}' could not be judged: {self.outcome.problem.rstrip('.')}"
        scans = [self.targets[row] for row in self.outcome.rows]
        unknown = self.outcome.unknown
        without = f", {unknown} of them without a value" if unknown else ""
        where = f" in {_list_scans(scans)}{without}" if scans else ""
        return f"{_claim(self.expectation, self.outcome)}{where}"

    def headline(self) -> str:
        """What is wrong: "5 of 40 scans outside the reference's range of age"."""
        if self.outcome.problem:
            return shortened(f"'{_short_name(self.expectation)}' could not be judged")
        rows = self.outcome.rows
        if not rows:
            return shortened(_claim(self.expectation, self.outcome))
        count = f"{len(rows)} of {counted(len(self.targets), 'scan')}"
        return shortened(f"{count} {self._complaint()}")

    def _complaint(self) -> str:
        noun = _noun_phrase(self.expectation)
        match self.expectation["type"]:
            case "expect_column_values_to_be_between":
                return f"outside the {self.source}'s range of {noun}"
            case "expect_column_values_to_be_in_set":
                return f"with another {noun} than the {self.source}"
            case "expect_column_values_to_not_be_null":
                return f"without a known {noun}"
            case "expect_column_values_to_be_unique":
                return f"with a {noun} that is not unique"
            case other:
                return f"fail '{_rule(other)}' for {noun}"


def _claim(expectation: Expectation, outcome: Outcome) -> str:
    kwargs, column = expectation["kwargs"], _column_phrase(expectation)
    match expectation["type"]:
        case "expect_column_values_to_be_between":
            return f"{column} is outside {_bounds(expectation)}"
        case "expect_column_values_to_be_in_set":
            return f"{column} is not one of {', '.join(str(x) for x in kwargs['value_set'])}"
        case "expect_column_values_to_not_be_null":
            return f"{column} is unknown or not a finite number"
        case "expect_column_values_to_be_unique":
            return f"{column} occurs more than once"
        case other:
            observed = "" if outcome.observed is None else f" (found {outcome.observed})"
            return f"the expectation '{_rule(other)}' does not hold for {column}{observed}"


def _rule(type_: str) -> str:
    return type_.removeprefix("expect_").replace("_", " ")


def _column_phrase(expectation: Expectation) -> str:
    return f"the {_noun_phrase(expectation)}"


def _noun_phrase(expectation: Expectation) -> str:
    """What a column holds: "voxel size left-right", "pathology"; "table of scans" if it is all."""
    column = expectation["kwargs"].get("column")
    if column is None:
        return "table of scans"
    noun, _, direction = str(column).partition("_")
    if noun in _NOUNS and direction:
        along = "along " if len(direction) == 1 else ""
        return f"{_NOUNS[noun]} {along}{direction}".replace("_", "-")
    return str(column).replace("_", " ")


def _bounds(expectation: Expectation) -> str:
    kwargs = expectation["kwargs"]
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    unit = " mm" if str(kwargs["column"]).startswith(_MILLIMETRES) else ""
    ends = ["any" if end is None else f"{end:.4g}" for end in (low, high)]
    return f"{ends[0]} to {ends[1]}{unit}"


def _list_scans(scans: Sequence[str]) -> str:
    more = f" (and {len(scans) - SCANS_NAMED} more)" if len(scans) > SCANS_NAMED else ""
    return f"{counted(len(scans), 'scan')}: {', '.join(scans[:SCANS_NAMED])}{more}"
