"""The command `safegen report FOLDER`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_safegen.cli.arguments import settings_with
from pytest_safegen.config import plugins
from pytest_safegen.core.errors import UsageProblem

if TYPE_CHECKING:
    from pytest_safegen.config.hookspecs import Commands
    from pytest_safegen.core.finding import Run
    from pytest_safegen.core.scan import Release


def add(commands: Commands) -> None:
    """Add the command."""
    report = commands.add_parser("report", help="write the HTML report again from its results")
    report.add_argument("folder", type=Path, help="report folder that holds results.jsonl")
    report.add_argument("--data", action="append", default=[], help="data folder, if it has moved")
    report.add_argument(
        "--merge", type=Path, nargs="+", default=[], help="report folders to merge into a new one"
    )
    report.add_argument("--viewer", choices=("slices", "niivue"))
    report.add_argument(
        "--picture-budget", type=int, metavar="MB", help="space for pictures, worst scans first"
    )
    report.set_defaults(run=_report)


def _report(args: argparse.Namespace) -> None:
    from pytest_safegen.results.files import load_run

    folder = args.folder.absolute()
    run = _merged(args.merge, folder) if args.merge else load_run(folder)
    settings = settings_with(viewer=args.viewer, picture_budget=args.picture_budget)
    releases = _releases(run, args.data, folder)
    manager = plugins.build_manager(settings)
    manager.hook.safegen_write_report(run=run, releases=releases, folder=folder, settings=settings)
    print(args.folder / "index.html")


def _merged(folders: Sequence[Path], output: Path) -> Run:
    from pytest_safegen.results.merge import merge

    if output.exists() and any(output.iterdir()):
        raise UsageProblem(f"The folder {output} is not empty; name a new one to merge into.")
    return merge([folder.absolute() for folder in folders], output)


def _releases(run: Run, data: Sequence[str], folder: Path) -> list[Release]:
    """The releases of a run, their targets named as in the run: with the root in front or not."""
    from pytest_safegen.data.discover import discover, named_by_root

    judged = {finding.target for finding in run.findings}
    found = [discover(Path(root).absolute(), skip=[folder]) for root in (data or run.roots)]
    return [
        release
        if len(found) == 1 or any(ref.target in judged for ref in release.refs)
        else named_by_root(release)
        for release in found
    ]
