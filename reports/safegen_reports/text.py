"""The results as text: `summary.md` to read, `findings.csv` for a spreadsheet."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

from pytest_safegen.api import Finding, Run, Verdict, write_text
from safegen_reports.findings import (
    ACCOUNTING_STEPS,
    HeadlineGroup,
    breach_lines,
    explanation_of,
    headline_groups,
    headline_of,
)

SUMMARY_FILE, TABLE_FILE = "summary.md", "findings.csv"
MAX_LISTED_HEADLINES = 50
MAX_LISTED_TARGETS = 5
COLUMNS = (
    "check",
    "target",
    "verdict",
    "headline",
    "score",
    "threshold",
    "p_value",
    "nearest",
    "seconds",
    "reason",
    "content",
)


def write_text_files(run: Run, folder: Path) -> None:
    """Write both files into a report folder."""
    write_text(folder / SUMMARY_FILE, summary_markdown(run))
    write_text(folder / TABLE_FILE, findings_csv(run.findings))


def summary_markdown(run: Run) -> str:
    """The run in Markdown: verdict, reasons, accounting, checks, and findings by headline."""
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
    writer.writerows([_escape_formula(cell) for cell in _cells(each)] for each in findings)
    return stream.getvalue()


def _cells(finding: Finding) -> Iterator[object]:
    for name in COLUMNS:
        yield headline_of(finding) if name == "headline" else getattr(finding, name)


def _escape_formula(value: object) -> object:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value


def _heading(run: Run) -> Iterator[str]:
    name = " ".join(part for part in (run.generator, run.version) if part) or "Synthetic release"
    yield f"# {run.verdict}: {escape_markdown(name)}"
    yield ""
    if run.mode != "enforce":
        yield f"This run does not block: its mode is {run.mode}."
        yield ""
    yield from (f"- {escape_markdown(reason)}" for reason in run.reasons)
    counts = [f"{step} {run.counts.get(step, 'unknown')}" for step in ACCOUNTING_STEPS]
    yield f"- accounting: {', '.join(counts)}"


def _check_table(run: Run) -> Iterator[str]:
    verdicts = sorted(Verdict, key=lambda verdict: -verdict.rank)
    yield f"| check | {' | '.join(verdicts)} | limit from |"
    yield f"|---|{'---|' * (len(verdicts) + 1)}"
    for check in dict.fromkeys(finding.check for finding in run.findings):
        counts = Counter(each.verdict for each in run.findings if each.check == check)
        numbers = " | ".join(str(counts[verdict]) for verdict in verdicts)
        source = escape_markdown(_limit_source(run, check))
        yield f"| {escape_markdown(check)} | {numbers} | {source} |"


def _limit_source(run: Run, check: str) -> str:
    """Where the limit of a check's score is from, by modality where there are several."""
    known = {modality: each.source for modality, each in run.calibrations.get(check, {}).items()}
    if len(set(known.values())) <= 1:
        return next(iter(known.values()), "") or "fixed limits"
    return "; ".join(f"{modality}: {source}" for modality, source in known.items())


def _worst_findings(run: Run) -> Iterator[str]:
    bad = [each for each in run.findings if each.verdict not in (Verdict.PASS, Verdict.WARN)]
    groups = headline_groups(bad)
    yield "## Findings" if groups else "No finding blocks or was waived."
    if groups:
        yield ""
    for group in groups[:MAX_LISTED_HEADLINES]:
        yield from _group_lines(group) if len(group.findings) > 1 else _finding_lines(group)
    if rest := sum(len(group.findings) for group in groups[MAX_LISTED_HEADLINES:]):
        yield f"- and {rest} more in {TABLE_FILE}"


def _group_lines(group: HeadlineGroup) -> Iterator[str]:
    """Several findings with one headline: how many, by which checks, on which targets."""
    checks = ", ".join(f"{check} {count}" for check, count in group.counts.items())
    title = escape_markdown(group.title)
    yield f"- {group.verdict} **{title}** ({escape_markdown(checks)})"
    targets = list(dict.fromkeys(each.target for each in group.findings if each.target))
    named = [f"`{_escape_code(target)}`" for target in targets[:MAX_LISTED_TARGETS]]
    more = len(targets) - len(named)
    if named:
        yield f"  - {', '.join(named)}{f' and {more} more' if more else ''}"


def _finding_lines(group: HeadlineGroup) -> Iterator[str]:
    (finding,) = group.findings
    target = f" `{_escape_code(finding.target)}`" if finding.target else ""
    headline = escape_markdown(group.headline)
    yield f"- {finding.verdict} {escape_markdown(finding.check)}{target}: **{headline}**"
    for line in (*breach_lines(finding), explanation_of(finding)):
        if line:
            yield f"  - {escape_markdown(line)}"


def _provenance(run: Run) -> Iterator[str]:
    yield "## Where this comes from"
    yield ""
    facts = {"run": run.id, "created": run.created, "commit": run.commit or "unknown"}
    facts |= {f"profile of {name}": digest for name, digest in run.profile_digests.items()}
    for name, value in (facts | dict(run.environment)).items():
        yield f"- {escape_markdown(name)}: {escape_markdown(value)}"


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&])", r"\\\1", " ".join(str(text).split()))


def _escape_code(text: str) -> str:
    """Text for between backticks."""
    return " ".join(text.replace("`", "'").split())
