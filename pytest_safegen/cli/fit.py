"""The command `safegen fit REFERENCE -o PROFILE`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_safegen.cli.arguments import progress_bar, settings_with
from pytest_safegen.config import plugins
from pytest_safegen.core.errors import UsageProblem

if TYPE_CHECKING:
    from pytest_safegen.config.hookspecs import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    fit = commands.add_parser("fit", help="learn from real scans and write a profile")
    fit.add_argument("reference", type=Path, nargs="+", help="folder of real scans")
    fit.add_argument("-o", "--output", type=Path, required=True, help="profile to write")
    fit.add_argument("--holdout", action="append", default=[], help="real scans for calibration")
    fit.add_argument("--checks", action="append", default=[], help="only these checks")
    fit.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    fit.add_argument("--seed", type=int, default=0)
    fit.set_defaults(run=_fit)


def _fit(args: argparse.Namespace) -> None:
    from pytest_safegen.config.device import resolve_device
    from pytest_safegen.profiles.fit import Fitter
    from pytest_safegen.profiles.io import save_profiles
    from pytest_safegen.profiles.source import discover_real_scans

    settings = settings_with(
        reference=[str(path) for path in args.reference],
        holdout=args.holdout,
        checks=args.checks,
        device=args.device,
        seed=args.seed,
    )
    detectors = plugins.detectors(plugins.build_manager(settings), settings)
    reference, holdout = discover_real_scans(settings)
    fitter = Fitter(detectors, settings.seed, resolve_device(settings.device), progress_bar)
    profiles = fitter.fit(reference, holdout)
    for sentence in profiles.left_out:
        print(f"left out: {sentence}", file=sys.stderr)
    unknown = [bundle.problem for bundle in profiles.bundles.values() if bundle.problem]
    if unknown:
        raise UsageProblem(f"No profile was written: {'; '.join(unknown)}.")
    save_profiles(profiles, args.output)
    print(f"{args.output}: {', '.join(sorted(detectors))}")
    print("It is derived from real patients: treat it as confidential.")
