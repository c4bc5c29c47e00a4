"""The results as text: `summary.md` to read, `findings.csv` for a spreadsheet."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

from pytest_safegen.api import Finding, Run, Verdict, write_text

SUMMARY_FILE, TABLE_FILE = "summary.md", "findings.csv"
MAX_LISTED_FINDINGS = 50
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
ACCOUNTING_STEPS = ("discovered", "collected", "judged", "reported")


def write_text_files(run: Run, folder: Path) -> None:
    """Write both files into a report folder."""
    write_text(folder / SUMMARY_FILE, summary_markdown(run))
    write_text(folder / TABLE_FILE, findings_csv(run.findings))


def summary_markdown(run: Run) -> str:
    """The run in Markdown: verdict, reasons, accounting, checks, and the worst findings."""
    return "\n".join(
        [
            *_heading(run),
            "",
            *_check_table(run),
            "",
            *_worst_findings(run),
            "",
            *_provenance(run),
            "",
        ]
    )


def findings_csv(findings: Sequence[Finding]) -> str:
    """One line a finding; a text that a spreadsheet would take for a formula begins with '."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(
        [_escape_formula(getattr(each, name)) for name in COLUMNS] for each in findings
    )
    return stream.getvalue()


def _escape_formula(value: object) -> object:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value


def _heading(run: Run) -> Iterator[str]:
    name = " ".join(part for part in (run.generator, run.version) if part) or "Synthetic release"
    yield f"# {run.verdict}: {_escape_markdown(name)}"
    yield ""
    if run.mode != "enforce":
        yield f"This run does not block: its mode is {run.mode}."
        yield ""
    yield from (f"- {_escape_markdown(reason)}" for reason in run.reasons)
    counts = [f"{step} {run.counts.get(step, 'unknown')}" for step in ACCOUNTING_STEPS]
    yield f"- accounting: {', '.join(counts)}"


def _check_table(run: Run) -> Iterator[str]:
    shown = sorted(Verdict, key=lambda verdict: -verdict.rank)
    yield f"| check | {' | '.join(shown)} | limit from |"
    yield f"|---|{'---|' * (len(shown) + 1)}"
    for check in dict.fromkeys(finding.check for finding in run.findings):
        counts = Counter(each.verdict for each in run.findings if each.check == check)
        source = _limit_source(run, check)
        numbers = " | ".join(str(counts[verdict]) for verdict in shown)
        yield f"| {_escape_markdown(check)} | {numbers} | {_escape_markdown(str(source))} |"


def _limit_source(run: Run, check: str) -> str:
    """Where the limits of a check's scores are from, per modality if there are several."""
    known = run.calibrations.get(check, {})
    sources = [f"{name}: {one.source}" if name else one.source for name, one in known.items()]
    return "; ".join(filter(None, sources)) or "fixed limits"


def _worst_findings(run: Run) -> Iterator[str]:
    bad = [each for each in run.findings if each.verdict not in (Verdict.PASS, Verdict.WARN)]
    bad.sort(key=lambda finding: -finding.verdict.rank)
    yield "## Findings" if bad else "No finding blocks or was waived."
    if bad:
        yield ""
    for finding in bad[:MAX_LISTED_FINDINGS]:
        target = f" `{_escape_code(finding.target)}`" if finding.target else ""
        check, reason = _escape_markdown(finding.check), _escape_markdown(finding.reason)
        yield f"- {finding.verdict} {check}{target}: {reason}"
    if len(bad) > MAX_LISTED_FINDINGS:
        yield f"- and {len(bad) - MAX_LISTED_FINDINGS} more in {TABLE_FILE}"


def _provenance(run: Run) -> Iterator[str]:
    yield "## Where this comes from"
    yield ""
    facts = {"run": run.id, "created": run.created, "commit": run.commit or "not stated"}
    facts |= {f"profile of {name}": digest for name, digest in run.profile_digests.items()}
    for name, value in (facts | dict(run.environment)).items():
        yield f"- {_escape_markdown(name)}: {_escape_markdown(value)}"


def _escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&])", r"\\\1", " ".join(str(text).split()))


def _escape_code(text: str) -> str:
    """Text for between backticks."""
    return " ".join(text.replace("`", "'").split())
