"""The command `safegen compare A B`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_safegen.cli.arguments import add_history_option, history_url
from pytest_safegen.core.errors import UsageProblem

if TYPE_CHECKING:
    from pytest_safegen.config.hookspecs import Commands
    from pytest_safegen.core.finding import Run

INCOMPARABLE = 3


def add(commands: Commands) -> None:
    """Add the command."""
    compare = commands.add_parser("compare", help="compare two runs")
    compare.add_argument("a", help="baseline: a run of the history, or a report folder")
    compare.add_argument("b", help="the run to compare with it, likewise")
    add_history_option(compare)
    compare.add_argument(
        "--fail-on-regression",
        action="append",
        default=[],
        metavar="EXPR",
        help="what counts as a regression, as in --safegen-fail-on-regression",
    )
    compare.add_argument("--json", type=Path, metavar="FILE", help="write the outcome as JSON")
    compare.set_defaults(run=_compare)


def _compare(args: argparse.Namespace) -> int:
    """0: no regression; 1: a regression; 3: the runs cannot be compared."""
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

    rules = parse(args.fail_on_regression)
    a, b = _run(args, args.a), _run(args, args.b)
    demand_same_checks(a, b, name=args.a)
    demand_known(rules, measures_of(a, b))
    outcome = compare(a, b, rules)
    print("\n".join(lines(outcome, a, b)))
    if args.json:
        write_json(args.json, as_json(outcome, a, rules))
    return {Outcome.PASSED: 0, Outcome.REGRESSED: 1, Outcome.INCOMPARABLE: INCOMPARABLE}[
        outcome.outcome
    ]


def _run(args: argparse.Namespace, name: str) -> Run:
    from pytest_safegen.results.files import RUN_FILE, load_run
    from pytest_safegen.results.history import OFF, open_history

    if (Path(name) / RUN_FILE).is_file():
        return load_run(Path(name))
    url = history_url(args)
    if url == OFF:
        raise UsageProblem(
            f"{name} is not a report folder, and the history is switched off; give --history URL."
        )
    history = open_history(url, create=False)
    return history.load(history.find(name))
