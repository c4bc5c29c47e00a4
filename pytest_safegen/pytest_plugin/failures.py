"""How pytest shows a finding that blocks: a failure, or a warning where failures do not count."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from pytest_safegen.core.finding import Finding
from pytest_safegen.judging.messages import breach_line
from pytest_safegen.pytest_plugin.constants import GATE_NAME


class GateFailure(Exception):
    """Raised where a finding blocks the release; its text is what a failed item shows."""


class GateWarning(pytest.PytestWarning):
    """A failure in the mode `warn`."""


def headline(finding: Finding) -> str:
    """The verdict, and what is wrong in at most 90 characters."""
    return f"{finding.verdict}: {finding.headline or finding.reason.rstrip('.')}"


def failure_text(finding: Finding) -> str:
    """The headline, the whole sentence if it says more, and the numbers beyond their limits."""
    return "\n".join([*sentences(finding), *map(breach_line, finding.breaches)])


def sentences(finding: Finding) -> list[str]:
    """The headline and the whole sentence; one line where the sentence begins with the headline."""
    reason, short = finding.reason, finding.headline.rstrip("…")
    if reason.rstrip(".") == short:
        return [headline(finding)]
    if reason.startswith(short):
        return [f"{finding.verdict}: {reason}"]
    return [headline(finding), reason]


def failure_repr(finding: Finding, path: Path | str) -> Any:
    """A failure for pytest's reports, without a traceback; it survives the way through xdist.

    JUnit's failure message and the short test summary show its headline.
    """
    try:
        raise GateFailure(failure_text(finding))
    except GateFailure as failure:
        shown = pytest.ExceptionInfo.from_exception(failure).getrepr(style="value")
    crash = shown.reprcrash
    if crash is not None:
        crash.path, crash.lineno, crash.message = str(path), 1, headline(finding)
    return shown


def show_warning(finding: Finding, nodeid: str, config: pytest.Config) -> None:
    """Put a finding into pytest's warnings summary, where equal ones are shown once.

    Nothing is issued through Python's `warnings`, for a filter such as `error` would turn it into
    the failure that it must not be.
    """
    if config.pluginmanager.is_blocked("warnings"):
        return
    text = failure_text(finding)
    message = warnings.WarningMessage(GateWarning(text), GateWarning, GATE_NAME, 0, line="")
    config.hook.pytest_warning_recorded.call_historic(
        kwargs={
            "warning_message": message,
            "when": "runtest",
            "nodeid": nodeid,
            "location": None,
        }
    )
