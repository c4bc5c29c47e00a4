"""`safegen github`: a run as job summary, annotations, outputs, SARIF file and comment.

It prints workflow commands and writes the files that the job names; it needs no token.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_safegen.api import Finding, Run, Verdict
from safegen_reports.findings import (
    HeadlineGroup,
    breach_lines,
    explanation_of,
    headline_groups,
    limit_ratio,
)
from safegen_reports.sarif import finding_path

MAX_ANNOTATIONS = 10
MAX_MESSAGE_CHARS = 1000
MAX_SUMMARY_BYTES = 900_000  # GitHub drops a summary above 1 MiB as a whole
MAX_COMMENT_BYTES = 60_000
COMMENT_MARKER = "<!-- safegen-gate -->"
SARIF_FILE, COMMENT_FILE = "safegen.sarif", "comment.md"
NO_RESULTS = (
    "# ERROR: the gate did not finish\n\nThere are no results. See the log of the step that runs "
    "the gate.\n"
)


def add_github_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `safegen github`."""
    github = commands.add_parser(
        "github", help="job summary, annotations, outputs and SARIF of a report folder"
    )
    github.add_argument("folder", type=Path, nargs="?", default=Path("safegen-report"))
    github.add_argument("--fail-on", default="fail", choices=("fail", "warn", "never"))
    github.set_defaults(run=_run_github)


def _run_github(options: argparse.Namespace) -> int:
    """0: the job may go on; 1: it must fail."""
    from pytest_safegen.api import GATE_FILE, RUN_FILE, load_run

    folder = options.folder
    if not (folder / RUN_FILE).is_file():
        print(
            workflow_command(
                "error", "safegen: ERROR", "The gate did not finish; there are no results."
            )
        )
        _append_to_variable("GITHUB_STEP_SUMMARY", NO_RESULTS)
        _write_outputs({"verdict": "ERROR", "violations": "0", "regressions": "0", "fail": "1"})
        return 1
    run = load_run(folder)
    print("\n".join(workflow_commands(run)))
    failing = must_fail(run, options.fail_on)
    _write_files(run, folder)
    _write_outputs(
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
    from safegen_reports.sarif import sarif_log
    from safegen_reports.text import summary_markdown

    text = summary_markdown(run)
    _append_to_variable("GITHUB_STEP_SUMMARY", truncate_lines(text, MAX_SUMMARY_BYTES))
    write_text(
        folder / COMMENT_FILE, f"{COMMENT_MARKER}\n{truncate_lines(text, MAX_COMMENT_BYTES)}"
    )
    write_json(folder / SARIF_FILE, sarif_log(run))


def truncate_lines(text: str, max_bytes: int) -> str:
    """The whole lines that fit into some bytes, and a line that says where the rest is."""
    data = text.encode("utf-8", "replace")
    if len(data) <= max_bytes:
        return data.decode()
    head = data[: max_bytes - 100].decode("utf-8", "ignore").rpartition("\n")[0]
    return f"{head}\n\nThe rest is in the report.\n"


def _append_to_variable(variable: str, text: str) -> None:
    path = os.environ.get(variable)
    if path:
        with Path(path).open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")


def _write_outputs(values: Mapping[str, str]) -> None:
    """Step outputs; a line break in a value would begin another output."""
    lines = [f"{name}={' '.join(value.split())}" for name, value in values.items()]
    _append_to_variable("GITHUB_OUTPUT", "\n".join(lines))


def workflow_commands(run: Run) -> Iterator[str]:
    """The lines to print: the verdict, then a line a headline; GitHub shows ten of a step."""
    if not run.verdict.blocks:
        return
    yield workflow_command("error", f"safegen: {run.verdict}", "; ".join(run.reasons))
    for group in blocking_groups(run)[: MAX_ANNOTATIONS - 1]:
        finding = group.findings[0]
        title = f"{', '.join(group.counts)} {group.verdict}: {group.title}"
        message = "\n".join(_details(finding)) or group.title
        yield workflow_command("error", title, message, file=finding_path(run, finding))


def blocking_groups(run: Run) -> list[HeadlineGroup]:
    """The blocking findings by headline: those on the release, then the furthest beyond a limit."""
    groups = headline_groups([each for each in run.findings if each.verdict.blocks])
    return sorted(groups, key=_urgency)


def _urgency(group: HeadlineGroup) -> tuple[bool, int, float]:
    worst = group.findings[0]
    return bool(worst.target), -group.verdict.rank, -limit_ratio(worst)


def _details(finding: Finding) -> list[str]:
    """The numbers beyond their limits, then the full sentence."""
    return [line for line in (*breach_lines(finding), explanation_of(finding)) if line]


def workflow_command(kind: str, title: str, message: str, *, file: str = "") -> str:
    """One workflow command, with the signs escaped that would end it."""
    properties = f"title={_escape_property(title)}" + (
        f",file={_escape_property(file)}" if file else ""
    )
    return f"::{kind} {properties}::{_escape_data(message[:MAX_MESSAGE_CHARS])}"


def _escape_data(text: str) -> str:
    plain = text.encode("utf-8", "replace").decode()
    return plain.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")


def must_fail(run: Run, fail_on: str) -> bool:
    """True if the last step must fail: `fail_on` is fail, warn or never."""
    if fail_on == "never":
        return False
    return run.verdict.blocks or (fail_on == "warn" and run.verdict is Verdict.WARN)
