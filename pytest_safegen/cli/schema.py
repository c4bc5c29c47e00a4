"""The command `safegen schema`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_safegen.config.hookspecs import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    schema = commands.add_parser("schema", help="print the JSON Schema of results.jsonl")
    other = schema.add_mutually_exclusive_group()
    other.add_argument("--gate", action="store_true", help="that of gate.json instead")
    other.add_argument(
        "--run", action="store_true", help="that of results.json instead", dest="of_run"
    )
    schema.set_defaults(run=_schema)


def _schema(args: argparse.Namespace) -> None:
    from pytest_safegen.core import codec
    from pytest_safegen.results import gate_json

    if args.gate:
        file = gate_json.SCHEMA_FILE
    else:
        file = codec.RUN_SCHEMA_FILE if args.of_run else codec.SCHEMA_FILE
    print(file.read_text(encoding="utf-8"), end="")
