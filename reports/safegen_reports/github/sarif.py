"""Findings that block or warn as SARIF 2.1.0, for GitHub's code scanning and editors."""

from __future__ import annotations

from typing import Any

from pytest_safegen import __version__
from pytest_safegen.api import Finding, Run, Verdict
from safegen_reports.github.annotations import path_of

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST = 5000
LEVELS = {Verdict.WARN: "warning", Verdict.WAIVED: "note"}


def sarif(run: Run) -> dict[str, Any]:
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
    results = [_result(run, finding) for finding in shown[:MOST]]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _result(run: Run, finding: Finding) -> dict[str, Any]:
    from urllib.parse import quote

    file = path_of(run, finding) or "pyproject.toml"
    uri = quote(file.encode("utf-8", "replace").decode())
    return {
        "ruleId": finding.check,
        "level": LEVELS.get(finding.verdict, "error"),
        "message": {"text": f"{finding.verdict}: {finding.reason}"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}}}],
        "partialFingerprints": {
            "target/v1": f"{finding.check}:{quote(finding.target, errors='replace')}"
        },
    }
