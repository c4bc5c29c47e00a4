"""The `safegen` command: fit a profile, list a folder, plant faults, rebuild a report, and more."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_safegen.cli import (
    compare,
    fit,
    gate,
    history,
    inject,
    list as list_,
    report,
    review,
    schema,
)
from pytest_safegen.config import plugins
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.errors import SafegenError

COMMANDS = (fit, list_, inject, report, compare, gate, history, review, schema)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    0: all went well; 1: it ran, and something is not as it should be (the command's help says
    what); 4: wrong use, or input that cannot be used.
    """
    try:
        args = _parser().parse_args(arguments)
        return args.run(args) or 0
    except SafegenError as error:
        print(f"safegen: {error}", file=sys.stderr)
        return 4


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="safegen", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    plugins.build_manager(Settings(Path.cwd())).hook.safegen_add_commands(commands=commands)
    return parser
