"""The same results without a browser: `summary.md` for people, `findings.csv` for tables."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

from pytest_safegen.api import Finding, Run, Verdict, write_text

SUMMARY, TABLE = "summary.md", "findings.csv"
MOST_LINES = 50
COLUMNS = (
    "check",
    "target",
    "verdict",
    "score",
    "threshold",
    "p_value",
    "nearest",
    "seconds",
    "reason",
    "content",
)
STEPS = ("discovered", "collected", "judged", "reported")


def write_plain(run: Run, folder: Path) -> None:
    """Write both files into a report folder."""
    write_text(folder / SUMMARY, summary(run))
    write_text(folder / TABLE, table(run.findings))


def summary(run: Run) -> str:
    """The run in Markdown: verdict, reasons, accounting, checks, and the worst findings."""
    return "\n".join([*_head(run), "", *_checks(run), "", *_worst(run), "", *_origin(run), ""])


def table(findings: Sequence[Finding]) -> str:
    """One line a finding; a text that a spreadsheet would take for a formula begins with '."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(getattr(each, name)) for name in COLUMNS] for each in findings)
    return stream.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value


def _head(run: Run) -> Iterator[str]:
    name = " ".join(part for part in (run.generator, run.version) if part) or "Synthetic release"
    yield f"# {run.verdict}: {_plain(name)}"
    yield ""
    if run.mode != "enforce":
        yield f"This run does not block: its mode is {run.mode}."
        yield ""
    yield from (f"- {_plain(reason)}" for reason in run.reasons)
    counts = [f"{step} {run.counts.get(step, 'unknown')}" for step in STEPS]
    yield f"- accounting: {', '.join(counts)}"


def _checks(run: Run) -> Iterator[str]:
    shown = sorted(Verdict, key=lambda verdict: -verdict.rank)
    yield f"| check | {' | '.join(shown)} | limit from |"
    yield f"|---|{'---|' * (len(shown) + 1)}"
    for check in dict.fromkeys(finding.check for finding in run.findings):
        counts = Counter(each.verdict for each in run.findings if each.check == check)
        source = run.calibrations.get(check, {}).get("source") or "fixed limits"
        numbers = " | ".join(str(counts[verdict]) for verdict in shown)
        yield f"| {_plain(check)} | {numbers} | {_plain(str(source))} |"


def _worst(run: Run) -> Iterator[str]:
    bad = [each for each in run.findings if each.verdict not in (Verdict.PASS, Verdict.WARN)]
    bad.sort(key=lambda finding: -finding.verdict.rank)
    yield "## Findings" if bad else "No finding blocks or was waived."
    if bad:
        yield ""
    for finding in bad[:MOST_LINES]:
        target = f" `{_code(finding.target)}`" if finding.target else ""
        yield f"- {finding.verdict} {_plain(finding.check)}{target}: {_plain(finding.reason)}"
    if len(bad) > MOST_LINES:
        yield f"- and {len(bad) - MOST_LINES} more in {TABLE}"


def _origin(run: Run) -> Iterator[str]:
    yield "## Where this comes from"
    yield ""
    facts = {"run": run.id, "created": run.created, "commit": run.commit or "not stated"}
    facts |= {f"profile of {name}": digest for name, digest in run.profile_digests.items()}
    for name, value in (facts | dict(run.environment)).items():
        yield f"- {_plain(name)}: {_plain(value)}"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&])", r"\\\1", " ".join(str(text).split()))


def _code(text: str) -> str:
    """Text for between backticks."""
    return " ".join(text.replace("`", "'").split())
