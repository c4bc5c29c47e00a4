"""The command `safegen gate verify`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_safegen.core.errors import UsageProblem

if TYPE_CHECKING:
    from pytest_safegen.config.hookspecs import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    gate = commands.add_parser("gate", help="check a gate.json before a release")
    steps = gate.add_subparsers(required=True, metavar="STEP")
    verify = steps.add_parser("verify", help="check a gate.json against the data to release")
    verify.add_argument("file", type=Path, help="gate.json")
    verify.add_argument("--data", type=Path, action="append", default=[], help="folder of scans")
    verify.add_argument(
        "--profile", type=Path, help="profile that the scans must have been judged by"
    )
    verify.add_argument(
        "--attested-only", action="store_true", help="check the verdict alone, without the data"
    )
    verify.set_defaults(run=_verify)


def _verify(args: argparse.Namespace) -> int:
    """0: the release may go out, and gate.json is about this data; 1: otherwise."""
    from pytest_safegen.results.gate_json import read_gate, verify_gate

    if not args.data and not args.attested_only:
        raise UsageProblem(
            "`safegen gate verify` needs --data, the folder to release; use --attested-only if "
            "something else ties gate.json to the data."
        )
    gate = read_gate(args.file)
    data = _data_digest(args.data) if args.data else None
    profile = _profile_digest(args.profile) if args.profile else None
    found = list(verify_gate(gate, args.file.parent, data=data, profile=profile))
    for check in found:
        word = {True: "ok", False: "WRONG", None: "open"}[check.holds]
        stream = sys.stderr if check.holds is False else sys.stdout
        print(f"{word}\t{check.what}\t{check.message}", file=stream)
    return int(any(check.holds is False for check in found))


def _data_digest(folders: list[Path]) -> str:
    from pytest_safegen.data.discover import discover, named_by_root
    from pytest_safegen.results.provenance import data_digest

    found = [discover(folder.absolute()) for folder in folders]
    releases = found if len(found) == 1 else [named_by_root(release) for release in found]
    digest = data_digest(releases)
    if not digest:
        raise UsageProblem(f"No scan found in {', '.join(map(str, folders))}.")
    return digest


def _profile_digest(path: Path) -> str:
    from pytest_safegen.profiles.io import load_profiles

    return load_profiles(path, {}).digest
