"""Judge a table by great-expectations, and let nothing unknown pass.

Its own results are not enough for a gate: an expectation on the values of a column ignores
unknown ones, and one that cannot be computed is reported like one that failed.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_safegen.api import UsageProblem
from safegen_detectors.cohort.suite import Expectation

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]  # it ships no types

POSITION_KEY = "safegen_place"
"""The key in an expectation's meta for its position in the suite: results come unordered."""

_ON_NULLS = ("null", "to_exist", "to_be_of_type", "to_be_in_type_list")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one expectation.

    `rows` are the numbers of the rows that fail it, of which `unknown` have no value; `observed`
    is the value of a statistic of a whole column; `problem` says why it could not be judged.
    """

    passed: bool
    rows: tuple[int, ...] = ()
    unknown: int = 0
    observed: object = None
    problem: str = ""


def judge(frame: pd.DataFrame, expectations: Sequence[Expectation]) -> tuple[Outcome, ...]:
    """One outcome an expectation, in order.

    Raises:
        UsageProblem: great-expectations does not know one of the expectations.
    """
    results = _validate(frame, expectations)
    return tuple(
        _outcome(frame, expectation, results.get(position))
        for position, expectation in enumerate(expectations)
    )


def _outcome(
    frame: pd.DataFrame, expectation: Expectation, result: Mapping[str, Any] | None
) -> Outcome:
    if result is None:
        return Outcome(False, problem="great-expectations gave no result for it")
    problem = _error_in(result["exception_info"])
    if problem:
        return Outcome(False, problem=problem)
    unknown = _unknown_rows(frame, expectation)
    rows = tuple(sorted({*result["result"].get("unexpected_index_list", ()), *unknown}))
    tolerated = (1.0 - expectation["kwargs"].get("mostly", 1.0)) * len(frame)
    return Outcome(
        passed=bool(result["success"]) and (not unknown or len(rows) <= tolerated),
        rows=rows,
        unknown=len(unknown),
        observed=result["result"].get("observed_value"),
    )


def _unknown_rows(frame: pd.DataFrame, expectation: Expectation) -> list[int]:
    """Rows without a value in a column that the expectation reads; these fail it."""
    if any(word in expectation["type"] for word in _ON_NULLS):
        return []
    columns = [column for column in _columns(expectation["kwargs"]) if column in frame]
    return [int(row) for row in frame.index[frame[columns].isna().any(axis=1)]]


def _columns(kwargs: Mapping[str, Any]) -> list[str]:
    named = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs]
    return [*named, *kwargs.get("column_list", ())]


def _error_in(information: Mapping[str, Any]) -> str:
    """The message of an error inside great-expectations, "" if there was none."""
    entries = [information, *(each for each in information.values() if isinstance(each, Mapping))]
    for entry in entries:
        if entry.get("raised_exception"):
            return str(entry.get("exception_message") or "unknown error").strip().splitlines()[0]
    return ""


def _validate(
    frame: pd.DataFrame, expectations: Sequence[Expectation]
) -> dict[int, Mapping[str, Any]]:
    with _quiet():
        import great_expectations as gx

        suite = _suite(gx, expectations)
        asset = _context(gx).data_sources.add_pandas("safegen").add_dataframe_asset("scans")
        definition = asset.add_batch_definition_whole_dataframe("all")
        results = definition.get_batch(batch_parameters={"dataframe": frame}).validate(
            suite, result_format={"result_format": "COMPLETE"}
        )
        plain = [result.to_json_dict() for result in results.results]
    return {result["expectation_config"]["meta"][POSITION_KEY]: result for result in plain}


def _suite(gx: Any, expectations: Sequence[Expectation]) -> Any:
    """All expectations as one suite, which would only log those that it leaves out."""
    try:
        suite = gx.ExpectationSuite(name="safegen", expectations=_with_positions(expectations))
    except (gx.exceptions.GreatExpectationsError, ValueError, TypeError) as problem:
        raise UsageProblem(
            f"great-expectations refuses the suite of expectations: {problem}."
        ) from problem
    positions = {expectation.meta[POSITION_KEY] for expectation in suite.expectations}
    refused = [each["type"] for n, each in enumerate(expectations) if n not in positions]
    if refused:
        raise UsageProblem(
            f"great-expectations refuses {', '.join(refused)} in the suite: "
            f"check the spelling and the kwargs."
        )
    return suite


def _context(gx: Any) -> Any:
    """A context that touches no file, opens no connection and draws no progress bar."""
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _with_positions(expectations: Sequence[Expectation]) -> list[dict[str, Any]]:
    return [
        {**expectation, "meta": {**(expectation.get("meta") or {}), POSITION_KEY: position}}
        for position, expectation in enumerate(expectations)
    ]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings, logs and usage statistics of great-expectations."""
    # Versions up to 1.6 send usage data unless this is set.
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
    # It logs tracebacks of problems that are reported here in a sentence.
    log = logging.getLogger("great_expectations")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            # It uses deprecated parts of Python and pandas.
            for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
                warnings.simplefilter("ignore", category)
            yield
    finally:
        log.setLevel(level)
