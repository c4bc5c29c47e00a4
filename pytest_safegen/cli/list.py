"""The command `safegen list DATA`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_safegen.config.hookspecs import Commands
    from pytest_safegen.core.scan import ScanRef


def add(commands: Commands) -> None:
    """Add the command."""
    listing = commands.add_parser("list", help="print the scans of a folder, and what is left out")
    listing.add_argument("data", type=Path, help="folder of scans")
    listing.set_defaults(run=_list)


def _list(args: argparse.Namespace) -> None:
    from pytest_safegen.data.discover import discover

    release = discover(args.data.absolute())
    for ref in release.refs:
        print(_line(ref))
    for left in release.left_out:
        print(f"left out: {left.path.relative_to(release.root)}: {left.reason}")
    print(f"{len(release.refs)} scans of {len(release.series)} subjects")


def _line(ref: ScanRef) -> str:
    months = "" if ref.months is None else f"{ref.months:g} months"
    mask = f"mask {ref.mask.name}" if ref.mask else ""
    columns = (ref.target, ref.subject, ref.session, ref.modality, months, mask)
    return "\t".join(column or "-" for column in columns)
