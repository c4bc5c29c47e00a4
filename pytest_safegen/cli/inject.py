"""The command `safegen inject REAL -o OUTPUT`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_safegen.cli.arguments import comma_separated, comma_separated_numbers, progress_bar

if TYPE_CHECKING:
    from pytest_safegen.config.hookspecs import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    inject = commands.add_parser("inject", help="plant faults in real scans, with their masks")
    inject.add_argument("real", type=Path, help="folder of real scans")
    inject.add_argument("-o", "--output", type=Path, required=True, help="new folder to write")
    inject.add_argument("--kinds", default="all", help="fault families, or all, local, global")
    inject.add_argument("--strength", default="0.6", help="strengths up to 1, such as 0.2,0.6,1.0")
    inject.add_argument("--per-scan", type=int, help="draw this many families for each scan")
    inject.add_argument("--seed", type=int, default=0)
    inject.add_argument("--intensity", default="auto", choices=("auto", "mr", "ct"))
    inject.add_argument("--slices", action="store_true", help="write pictures of slices too")
    inject.set_defaults(run=_inject)


def _inject(args: argparse.Namespace) -> int:
    """0, or 1 if some scans could not be used."""
    from pytest_safegen.data.discover import discover
    from pytest_safegen.faults.inject import InjectionPlan, inject

    plan = InjectionPlan(
        kinds=comma_separated(args.kinds),
        strengths=comma_separated_numbers(args.strength),
        per_scan=args.per_scan,
        seed=args.seed,
        intensity=args.intensity,
        slices=args.slices,
    )
    output = args.output.absolute()
    release = discover(args.real.absolute(), skip=[output])
    outcome = inject(release, output, plan, progress=progress_bar)
    for sentence in outcome.problems:
        print(f"left out: {sentence}", file=sys.stderr)
    print(f"{args.output}: {len(outcome.rows)} scans with planted faults")
    print("They are derived from real patients: treat them as confidential.")
    return 1 if outcome.problems else 0
