"""`safegen github`: a run as job summary, annotations, outputs, SARIF file and comment.

It prints workflow commands and writes the files that the job names; it needs no token.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_safegen.api import Finding, Run, Verdict
from safegen_reports.sarif import finding_path

MAX_ANNOTATIONS = 10
MAX_MESSAGE_CHARS = 1000
MAX_SUMMARY_BYTES = 900_000  # GitHub drops a summary above 1 MiB as a whole
MAX_COMMENT_BYTES = 60_000
COMMENT_MARKER = "<!-- safegen-gate -->"
SARIF_FILE, COMMENT_FILE = "safegen.sarif", "comment.md"
NO_RESULTS = (
    "# ERROR: the gate did not finish\n\nThere are no results: see the log of the step that runs "
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


def _run_github(asked: argparse.Namespace) -> int:
    """0: the job may go on; 1: it must fail."""
    from pytest_safegen.api import GATE_FILE, RUN_FILE, load_run

    folder = asked.folder
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
    failing = must_fail(run, asked.fail_on)
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


def truncate_lines(text: str, most: int) -> str:
    """The whole lines that fit into some bytes, with a word about the rest."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most:
        return data.decode()
    kept = data[: most - 100].decode("utf-8", "ignore").rpartition("\n")[0]
    return f"{kept}\n\nThe rest is in the report.\n"


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
    """The lines to print; GitHub drops what is beyond ten of a step, silently."""
    if not run.verdict.blocks:
        return
    yield workflow_command("error", f"safegen: {run.verdict}", "; ".join(run.reasons))
    for finding in blocking_findings(run)[: MAX_ANNOTATIONS - 1]:
        title = f"{finding.check}: {finding.verdict}"
        yield workflow_command("error", title, finding.reason, file=finding_path(run, finding))


def blocking_findings(run: Run) -> list[Finding]:
    """The findings that block, those on the release first, then the furthest beyond a limit."""
    bad = [finding for finding in run.findings if finding.verdict.blocks]
    return sorted(bad, key=lambda f: (bool(f.target), -f.verdict.rank, -_limit_ratio(f), f.target))


def workflow_command(kind: str, title: str, message: str, *, file: str = "") -> str:
    """One workflow command, with the signs escaped that would end it."""
    properties = f"title={_escape_property(title)}" + (
        f",file={_escape_property(file)}" if file else ""
    )
    return f"::{kind} {properties}::{_escape_data(message[:MAX_MESSAGE_CHARS])}"


def _limit_ratio(finding: Finding) -> float:
    if finding.score is None or not finding.threshold:
        return 0.0
    return finding.score / finding.threshold


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
