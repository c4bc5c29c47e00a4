"""The command `safegen compare A B`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_safegen.core.errors import UsageProblem

if TYPE_CHECKING:
    from pytest_safegen.core.finding import Run


INCOMPARABLE = 3


def add_compare(
    compare: argparse.ArgumentParser, store_of: Callable[[argparse.Namespace], str]
) -> None:
    """Add the arguments; `store_of` says which store they mean."""
    compare.add_argument("a", help="baseline: a run in the history, or a report folder")
    compare.add_argument("b", help="the run that is held against it, likewise")
    compare.add_argument("--store", help="URL of the store; default: that of the settings")
    compare.add_argument(
        "--fail-on-regression", action="append", default=[], metavar="EXPR", help="a rule"
    )
    compare.add_argument("--json", type=Path, metavar="FILE", help="write the outcome as JSON")
    compare.set_defaults(run=_compare, store_of=store_of)


def _compare(asked: argparse.Namespace) -> int:
    from pytest_safegen.core.atomic_io import write_json
    from pytest_safegen.results.comparison import (
        Outcome,
        compare,
        demand_known,
        demand_same_checks,
        parse,
    )
    from pytest_safegen.results.comparison.messages import as_json, lines
    from pytest_safegen.results.comparison.rules import measures_of

    rules = parse(asked.fail_on_regression)
    a, b = _run(asked, asked.a), _run(asked, asked.b)
    demand_same_checks(a, b, name=asked.a)
    demand_known(rules, measures_of(a, b))
    outcome = compare(a, b, rules)
    print("\n".join(lines(outcome, a, b)))
    if asked.json:
        write_json(asked.json, as_json(outcome, a, rules))
    return {Outcome.PASSED: 0, Outcome.REGRESSED: 1, Outcome.INCOMPARABLE: INCOMPARABLE}[
        outcome.outcome
    ]


def _run(asked: argparse.Namespace, name: str) -> Run:
    from pytest_safegen.results.files import RUN_FILE, load_run
    from pytest_safegen.results.history import OFF, open_history

    if (Path(name) / RUN_FILE).is_file():
        return load_run(Path(name))
    store = asked.store_of(asked)
    if store == OFF:
        raise UsageProblem(f"{name} is no report folder, and there is no history; name a --store.")
    history = open_history(store, create=False)
    return history.load(history.find(name))
