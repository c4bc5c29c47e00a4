"""Names for the measures of expectations, and messages for their failures."""

from __future__ import annotations

import re
from collections.abc import Sequence

from safegen_detectors.cohort.judge import Outcome
from safegen_detectors.cohort.suite import CRITICAL, Expectation

SCANS_NAMED = 3
"""A sentence names this many scans; the rest are counted."""

_MILLIMETRES = ("spacing_", "extent_")
_NOUNS = {"spacing": "voxel size", "shape": "number of voxels", "extent": "field of view"}


def measure_names(expectations: Sequence[Expectation]) -> list[str]:
    """A different name for each, with its severity first: "critical.spacing_i_between"."""
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


def failure_message(expectation: Expectation, outcome: Outcome, targets: Sequence[str]) -> str:
    """What is wrong, and in which scans, as one clause."""
    if outcome.problem:
        return f"'{_short_name(expectation)}' could not be judged: {outcome.problem.rstrip('.')}"
    scans = [targets[row] for row in outcome.rows]
    unknown = f", {outcome.unknown} of them without a value" if outcome.unknown else ""
    where = f" in {_list_scans(scans)}{unknown}" if scans else ""
    return f"{_claim(expectation, outcome)}{where}"


def _claim(expectation: Expectation, outcome: Outcome) -> str:
    kwargs, what = expectation["kwargs"], _column_phrase(expectation)
    match expectation["type"]:
        case "expect_column_values_to_be_between":
            return f"{what} is outside {_bounds(expectation)}"
        case "expect_column_values_to_be_in_set":
            return f"{what} is not one of {', '.join(str(x) for x in kwargs['value_set'])}"
        case "expect_column_values_to_not_be_null":
            return f"{what} is unknown or not a finite number"
        case "expect_column_values_to_be_unique":
            return f"{what} occurs more than once"
        case other:
            rule = other.removeprefix("expect_").replace("_", " ")
            seen = "" if outcome.observed is None else f" (found {outcome.observed})"
            return f"the expectation '{rule}' does not hold for {what}{seen}"


def _column_phrase(expectation: Expectation) -> str:
    column = expectation["kwargs"].get("column")
    if column is None:
        return "the table of scans"
    noun, _, direction = str(column).partition("_")
    if noun in _NOUNS and direction:
        return f"the {_NOUNS[noun]} {'along ' if len(direction) == 1 else ''}{direction}".replace(
            "_", "-"
        )
    return f"the {column}".replace("_", " ")


def _bounds(expectation: Expectation) -> str:
    kwargs = expectation["kwargs"]
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    unit = " mm" if str(kwargs["column"]).startswith(_MILLIMETRES) else ""
    ends = ["any" if end is None else f"{end:.4g}" for end in (low, high)]
    return f"{ends[0]} to {ends[1]}{unit}"


def _list_scans(scans: Sequence[str]) -> str:
    more = f" (and {len(scans) - SCANS_NAMED} more)" if len(scans) > SCANS_NAMED else ""
    return f"{len(scans)} scan{'s' * (len(scans) > 1)}: {', '.join(scans[:SCANS_NAMED])}{more}"
