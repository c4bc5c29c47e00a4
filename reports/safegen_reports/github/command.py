"""The command `safegen github`: tell a GitHub job what the gate found. Needs no token."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_safegen.api import Run

SUMMARY_BYTES = 900_000  # GitHub drops a summary above 1 MiB as a whole
COMMENT_BYTES = 60_000
MARKER = "<!-- safegen-gate -->"
SARIF, COMMENT = "safegen.sarif", "comment.md"
NOT_RUN = (
    "# ERROR: the gate did not finish\n\nThere are no results: see the log of the step that runs "
    "the gate.\n"
)


def add_github(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `safegen github`."""
    github = commands.add_parser(
        "github", help="job summary, annotations, outputs and SARIF of a report folder"
    )
    github.add_argument("folder", type=Path, nargs="?", default=Path("safegen-report"))
    github.add_argument("--fail-on", default="fail", choices=("fail", "warn", "never"))
    github.set_defaults(run=_github)


def _github(asked: argparse.Namespace) -> int:
    """0: the job may go on; 1: it must fail."""
    from pytest_safegen.api import GATE_FILE, RUN_FILE, load_run
    from safegen_reports.github.annotations import blocks, command, commands_of

    folder = asked.folder
    if not (folder / RUN_FILE).is_file():
        print(command("error", "safegen: ERROR", "The gate did not finish; there are no results."))
        _append("GITHUB_STEP_SUMMARY", NOT_RUN)
        _output({"verdict": "ERROR", "violations": "0", "regressions": "0", "fail": "1"})
        return 1
    run = load_run(folder)
    print("\n".join(commands_of(run)))
    failing = blocks(run, asked.fail_on)
    _write_files(run, folder)
    _output(
        {
            "verdict": str(run.verdict),
            "violations": str(sum(finding.verdict.blocks for finding in run.findings)),
            "regressions": str(len(run.regression.get("regressions", []))),
            "report-path": str(folder),
            "gate-json": str(folder / GATE_FILE),
            "fail": str(int(failing)),
        }
    )
    return int(failing)


def _write_files(run: Run, folder: Path) -> None:
    from pytest_safegen.api import write_json, write_text
    from safegen_reports.github.sarif import sarif
    from safegen_reports.plain import summary

    text = summary(run)
    _append("GITHUB_STEP_SUMMARY", shortened(text, SUMMARY_BYTES))
    write_text(folder / COMMENT, f"{MARKER}\n{shortened(text, COMMENT_BYTES)}")
    write_json(folder / SARIF, sarif(run))


def shortened(text: str, most: int) -> str:
    """The whole lines that fit into some bytes, with a word about the rest."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most:
        return data.decode()
    kept = data[: most - 100].decode("utf-8", "ignore").rpartition("\n")[0]
    return f"{kept}\n\nThe rest is in the report.\n"


def _append(variable: str, text: str) -> None:
    path = os.environ.get(variable)
    if path:
        with Path(path).open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")


def _output(values: Mapping[str, str]) -> None:
    """Step outputs; a line break in a value would begin another output."""
    lines = [f"{name}={' '.join(value.split())}" for name, value in values.items()]
    _append("GITHUB_OUTPUT", "\n".join(lines))
