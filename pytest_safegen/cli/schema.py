"""The command `safegen schema`."""

from __future__ import annotations

import argparse
import json
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
    from pytest_safegen.core.codec import finding_schema, run_schema
    from pytest_safegen.results.gate_json import gate_schema

    schema = run_schema if args.of_run else finding_schema
    schema = gate_schema if args.gate else schema
    print(json.dumps(schema(), indent=2))
