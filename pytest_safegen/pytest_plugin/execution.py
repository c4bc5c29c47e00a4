"""Execution: each item is judged, and its finding travels with pytest's report."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pytest_safegen.core.codec import encode_finding
from pytest_safegen.core.finding import Finding, Verdict
from pytest_safegen.core.scan import ScanRef, Series
from pytest_safegen.core.targets import Scope
from pytest_safegen.judging.runner import Runner, runner_for
from pytest_safegen.pytest_plugin.constants import FINDING, FIXTURES
from pytest_safegen.pytest_plugin.nodes import CheckItem, Subject
from pytest_safegen.pytest_plugin.plan import Plan

SCANS_AHEAD = 2


class Execution:
    """Judges items, in the only process of a run or in each of its xdist workers."""

    def __init__(self, config: pytest.Config, plan: Plan) -> None:
        self._is_worker = hasattr(config, "workerinput")
        self._plan = plan
        self._cohorts = {
            series.target: release.series for release in plan.releases for series in release.series
        }
        self._order: list[ScanRef] = []
        self._places: dict[str, int] = {}
        self._next: pytest.Item | None = None
        self.loaded_runner: Runner | None = None

    def runner(
        self, progress: Callable[[Sequence[Any], str], Iterable[Any]] | None = None
    ) -> Runner:
        """The runner with its profiles, which are loaded or fitted by the first call.

        No property: pytest before 8.4 evaluates all properties of a plug-in at its registration.
        """
        if self.loaded_runner is None:
            shown = {"progress": progress} if progress else {}
            self.loaded_runner = runner_for(self._plan.settings, self._plan.detectors, **shown)
        return self.loaded_runner

    def judge(self, check: str, subject: Subject) -> Finding:
        """The finding of one check, WAIVED if a review in force says so."""
        if isinstance(subject, Series):
            cohort = self._cohorts[subject.target]
            finding = self.runner().series(check, subject, cohort=cohort)
            return self._plan.waivers.applied(finding, subject.refs)
        finding = self.runner().scan(check, subject, upcoming=self._upcoming(subject))
        return self._plan.waivers.applied(finding, [subject])

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn in which order the scans will be judged."""
        subjects = [item.subject for item in session.items if isinstance(item, CheckItem)]
        self._order = list({s.target: s for s in subjects if isinstance(s, ScanRef)}.values())
        self._places = {ref.target: place for place, ref in enumerate(self._order)}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Remember the next item."""
        self._next = nextitem
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the finding to the report, as plain JSON, which xdist carries too."""
        report = yield
        finding = item.stash.get(FINDING, None) if report.when == "call" else None
        finding = finding or _own_finding(item, report)
        if finding is not None:
            by_gate = isinstance(item, CheckItem)
            if by_gate and report.failed and not finding.verdict.blocks:
                finding, by_gate = _failed_outside(finding, report), False
            attach(report, finding, by_gate=by_gate, row=self._row(item))
        return report

    def pytest_unconfigure(self) -> None:
        """Stop the reader thread, if it was ever started."""
        if self.loaded_runner is not None:
            self.loaded_runner.close()

    def _row(self, item: pytest.Item) -> dict[str, Any] | None:
        """The scan's row in the table of scans, sent once: with its first check."""
        if not (isinstance(item, CheckItem) and isinstance(item.subject, ScanRef)):
            return None
        first = self._plan.checks(Scope.SCAN)[0]
        return dict(self.runner().facts(item.subject)) if item.check == first else None

    def _upcoming(self, ref: ScanRef) -> Sequence[ScanRef]:
        """The scans to read ahead; a worker of xdist knows only its next item."""
        if self._is_worker:
            following = getattr(self._next, "subject", None)
            return [following] if isinstance(following, ScanRef) else []
        place = self._places.get(ref.target, len(self._order)) + 1
        return self._order[place : place + SCANS_AHEAD]


def attach(
    report: pytest.TestReport,
    finding: Finding,
    *,
    by_gate: bool,
    row: Mapping[str, Any] | None = None,
) -> None:
    """Put a finding on a report; `by_gate` is False for a user's own test."""
    sent = {"finding": encode_finding(finding), "by_gate": by_gate, "row": row}
    report.safegen = sent  # type: ignore[attr-defined]


def _failed_outside(finding: Finding, report: pytest.TestReport) -> Finding:
    """The finding of an item that another plug-in failed, though the check let the scan through."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(getattr(crash, "message", None) or report.longrepr).strip().splitlines()
    reason = f"The item failed outside the check: {text[0] if text else 'no reason given'}"
    headline = "Failed outside the check"
    return replace(finding, verdict=Verdict.ERROR, headline=headline, reason=reason)


def _own_finding(item: pytest.Item, report: pytest.TestReport) -> Finding | None:
    """The outcome of a user's own test over safegen data, as a finding."""
    given = getattr(getattr(item, "callspec", None), "params", {})
    values = [given[fixture] for fixture in FIXTURES if fixture in given]
    decisive = report.when == "call" or report.failed
    if not values or not decisive or report.skipped:
        return None
    target = getattr(values[0], "target", "")
    name = getattr(item, "originalname", item.name)
    if report.passed:
        return Finding(name, target, Verdict.PASS, "The project's own test passed.")
    crash = getattr(report.longrepr, "reprcrash", None)
    reason = getattr(crash, "message", None) or str(report.longrepr)
    lines = reason.strip().splitlines() or ["The project's own test failed."]
    return Finding(name, target, Verdict.FAIL, lines[0], seconds=report.duration)
