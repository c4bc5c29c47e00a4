"""Findings that block or warn as SARIF 2.1.0, for code scanning on GitHub and for editors."""

from __future__ import annotations

from typing import Any

from pytest_safegen import __version__
from pytest_safegen.api import Finding, Run, Verdict
from safegen_reports.findings import breach_lines, explanation_of, headline_of

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MAX_RESULTS = 5000
LEVELS = {Verdict.WARN: "warning", Verdict.WAIVED: "note"}


def sarif_log(run: Run) -> dict[str, Any]:
    """The SARIF log of a run: the worst 5000 results, as many as GitHub shows."""
    shown = sorted(
        (finding for finding in run.findings if finding.verdict is not Verdict.PASS),
        key=lambda finding: -finding.verdict.rank,
    )
    checks = sorted({finding.check for finding in shown})
    driver = {
        "name": "pytest-safegen",
        "version": __version__,
        "rules": [{"id": check, "name": check} for check in checks],
    }
    results = [_result(run, finding) for finding in shown[:MAX_RESULTS]]
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _result(run: Run, finding: Finding) -> dict[str, Any]:
    from urllib.parse import quote

    file = finding_path(run, finding) or "pyproject.toml"
    uri = quote(file.encode("utf-8", "replace").decode())
    return {
        "ruleId": finding.check,
        "level": LEVELS.get(finding.verdict, "error"),
        "message": {"text": _message(finding)},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}}}],
        "partialFingerprints": {
            "target/v1": f"{finding.check}:{quote(finding.target, errors='replace')}"
        },
    }


def _message(finding: Finding) -> str:
    """The headline, then the numbers beyond their limits, then the full sentence."""
    headline = f"{finding.verdict}: {headline_of(finding)}"
    return "\n".join(filter(None, [headline, *breach_lines(finding), explanation_of(finding)]))


def finding_path(run: Run, finding: Finding) -> str:
    """The file of a finding's target, relative to where the gate ran if it lies there."""
    if not finding.target or not run.roots:
        return ""
    from pathlib import Path

    root = Path(run.roots[0])
    base = root.parent if len(run.roots) > 1 else root
    path = base / finding.target
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()
