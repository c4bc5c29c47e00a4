"""The command `safegen review REVIEWS`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_safegen.core.errors import UsageProblem

if TYPE_CHECKING:
    from pytest_safegen.config.hookspecs import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    review = commands.add_parser("review", help="list, import and learn from reviews")
    review.add_argument("reviews", type=Path, help="file of reviews, such as safegen-waivers.toml")
    review.add_argument("--report", type=Path, help="report folder to compare them with")
    review.add_argument(
        "--import", dest="new", type=Path, nargs="+", default=[], help="downloaded reviews to add"
    )
    review.add_argument(
        "--recalibrate",
        action="store_true",
        help="propose limits by which no false alarm would fail; changes nothing",
    )
    review.set_defaults(run=_review)


def _review(args: argparse.Namespace) -> int:
    """0, or 1 if a review is expired or stale."""
    from pytest_safegen.judging import review as reviewing
    from pytest_safegen.judging.waivers import read_reviews, today
    from pytest_safegen.results.files import load_run

    if args.recalibrate and args.report is None:
        raise UsageProblem("--recalibrate needs --report, the report folder of the run.")
    if args.new:
        changed = reviewing.import_reviews(args.reviews, args.new)
        print(f"{args.reviews}: {changed} reviews added or changed")
    reviews = read_reviews(args.reviews)
    run = load_run(args.report) if args.report else None
    if args.recalibrate and run is not None:
        found = reviewing.proposals(reviews, run)
        lines = [line for proposal in found for line in reviewing.proposal_lines(proposal)]
        print("\n".join(lines or ["No finding was marked as a false alarm."]))
        return 0
    lines = list(reviewing.review_lines(reviews, today(), run))
    print("\n".join(lines or [f"{args.reviews} holds no review."]))
    return int(any(line.startswith(("expired", "stale")) for line in lines))
