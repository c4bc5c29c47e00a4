"""What the terminal says at the end: each cause of failures once, then the verdict."""

from __future__ import annotations

import copy
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from pytest_safegen.core.codec import decode_finding
from pytest_safegen.core.finding import Run
from pytest_safegen.pytest_plugin.causes import Cause, Failure, causes_of, counted
from pytest_safegen.pytest_plugin.failures import headline
from pytest_safegen.pytest_plugin.finish import Finish
from pytest_safegen.pytest_plugin.plan import Plan

CAUSES_SHOWN = 20


class Terminal:
    """Replaces pytest's section for each of the gate's failures by one for each cause.

    Causes come in the order of discovery, whichever worker of xdist was first. In the short test
    summary, one line stands for a cause; with -v, each failure has its own. The failures of users'
    own tests stay as pytest prints them.
    """

    def __init__(self, plan: Plan, finish: Finish) -> None:
        self._page = plan.settings.report / "index.html"
        self._finish = finish
        targets = [ref.target for ref in plan.refs] + [one.target for one in plan.series]
        self._order = {target: place for place, target in enumerate(targets)}
        self._causes: list[Cause] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True, specname="pytest_terminal_summary")
    def pytest_terminal_summary_of_causes(
        self, terminalreporter: Any
    ) -> Generator[None, object, object]:
        """Show pytest the users' failures alone, until the gate's own are printed."""
        stats = terminalreporter.stats
        failed = stats.get("failed", [])
        failures = [one for report in failed if (one := _failure(report)) is not None]
        failures.sort(key=lambda one: self._order.get(one.finding.target, len(self._order)))
        self._causes = causes_of(failures)
        if not failures:
            return (yield)
        own = {id(one.report) for one in failures}
        stats["failed"] = [report for report in failed if id(report) not in own]
        try:
            return (yield)
        finally:
            stats["failed"] = failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The causes, the verdict, the accounting line, and where the report is."""
        if self._causes:
            self._print_causes(terminalreporter)
            verbose = terminalreporter.config.option.verbose > 0
            terminalreporter.stats["failed"] += self._summary(verbose=verbose)
        if self._finish.run is not None:
            self._print_verdict(terminalreporter, self._finish.run)

    def _summary(self, *, verbose: bool) -> list[pytest.TestReport]:
        """The reports of which the short test summary has a line each."""
        if verbose:
            return [one.report for cause in self._causes for one in cause.failures]
        return [_folded(cause) for cause in self._causes]

    def _print_causes(self, reporter: Any) -> None:
        option = reporter.config.option
        if option.tbstyle == "no":
            return
        reporter.write_sep("=", "safegen failures")
        for cause in self._causes[:CAUSES_SHOWN]:
            if option.tbstyle == "line":
                reporter.write_line(_line(cause))
            else:
                _print_section(reporter, cause)
        rest = counted(self._causes[CAUSES_SHOWN:])
        if rest:
            reporter.write_line(
                f"... and {rest} more, see the report: {_shown(self._page)}", bold=True
            )

    def _print_verdict(self, reporter: Any, run: Run) -> None:
        reporter.write_sep("=", "safegen")
        color = {"red": True} if run.verdict.blocks else {"green": True}
        reasons = f": {'; '.join(run.reasons)}" if run.reasons else ""
        reporter.write_line(f"{run.verdict}{reasons}", bold=True, **color)
        reporter.write_line(
            f"{run.counts['scans']} scans, {run.counts['series']} series: "
            f"{run.counts['discovered']} checks discovered, {run.counts['collected']} collected, "
            f"{run.counts['judged']} judged, {run.counts['reported']} reported"
        )
        for sentence in self._finish.errors:
            reporter.write_line(sentence, red=True)
        page = f"report: {_shown(self._page)}"
        results = f"results: {_shown(self._page.parent)}"
        reporter.write_line(page if self._page.is_file() else results)


def _shown(path: Path) -> Path:
    """A path relative to the current folder if it lies in there."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _failure(report: pytest.TestReport) -> Failure | None:
    """A report that the gate failed, and that --pdb has not shown yet."""
    sent = getattr(report, "safegen", None)
    if not sent or not sent["by_gate"] or hasattr(report, "_pdbshown"):
        return None
    return Failure(report, decode_finding(sent["finding"]))


def _print_section(reporter: Any, cause: Cause) -> None:
    reporter.write_sep("_", cause.heading, red=True, bold=True)
    first, *more = cause.lines()
    reporter.write_line(first, red=True, bold=True)
    for line in more:
        reporter.write_line(line)
    if reporter.config.option.showcapture != "no":
        for title, content in cause.first.report.sections:
            reporter.write_sep("-", title)
            reporter.write_line(content.rstrip("\n"))


def _line(cause: Cause) -> str:
    return f"{_folded(cause).nodeid}: {headline(cause.first.finding)}"


def _folded(cause: Cause) -> pytest.TestReport:
    """A report that stands for all failures of a cause."""
    report = copy.copy(cause.first.report)
    if cause.more:
        report.nodeid += f" (+{cause.more} more)"
    return report
