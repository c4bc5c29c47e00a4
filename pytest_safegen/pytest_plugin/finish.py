"""The end of a pytest run: judge the release, write the reports, and set the exit code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import pytest

from pytest_safegen.core.finding import Finding, Run, Verdict
from pytest_safegen.core.targets import Scope
from pytest_safegen.judging.release import conclude
from pytest_safegen.judging.self_test import run_self_test
from pytest_safegen.pytest_plugin.constants import GATE_NAME
from pytest_safegen.pytest_plugin.controller import Controller
from pytest_safegen.pytest_plugin.execution import attach
from pytest_safegen.pytest_plugin.failures import failure_repr, show_warning
from pytest_safegen.pytest_plugin.nodes import properties
from pytest_safegen.pytest_plugin.plan import ACCOUNTING_CHECK
from pytest_safegen.pytest_plugin.run_record import record_of
from pytest_safegen.pytest_plugin.selection import Selection, release_checks
from pytest_safegen.results.gate_json import save_run

NARROWING = ("keyword", "markexpr", "lf", "deselect", "stepwise")
STOPPED = (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR)
PARTIAL = "only a part of the checks was asked for, so this run says nothing of the release"

Phase = Literal["setup", "call", "teardown"]


class Finish:
    """Judges the release as a whole, so that terminal, JUnit and exit code agree on it."""

    def __init__(self, controller: Controller, selection: Selection) -> None:
        self._controller = controller
        self._plan = controller.plan
        self._selection = selection
        self.run: Run | None = None
        self.errors: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Judge the release, unless the run broke down or only collected."""
        if session.config.option.collectonly or exitstatus in STOPPED:
            return
        stopped = exitstatus == pytest.ExitCode.INTERRUPTED or bool(session.shouldfail)
        complete = self._plan.accounting.expected <= self._controller.collected
        names = self._plan.checks(Scope.RELEASE)
        asked = release_checks(session, names, self._selection, complete=complete)
        narrowed = self._is_narrowed(session.config) and not (complete and asked == names)
        for finding in self._verdicts([] if stopped else asked, stopped or narrowed):
            self._report(session, finding)
        record = record_of(self._plan, self._controller.execution.loaded_runner)
        if self._controller.baseline.asked and not narrowed:
            so_far = replace(record, findings=tuple(self._controller.findings))
            self._report(session, self._controller.baseline.compare(so_far))
        counts, problems = self._accounting(narrowed=narrowed)
        if not narrowed or problems:
            self._report(session, _accounting_finding(counts, problems))
        record = replace(record, counts=counts)
        self.run = self._concluded(record, problems, partial=PARTIAL if narrowed else "")
        self._write(self.run)
        session.exitstatus = self._exit_code(self.run, session.exitstatus)

    def _is_narrowed(self, config: pytest.Config) -> bool:
        """True if the user asked for something that may leave checks out."""
        asked = any(getattr(config.option, name, None) for name in NARROWING)
        return bool(asked or self._selection.scans or self._selection.release)

    def _accounting(self, *, narrowed: bool) -> tuple[dict[str, int], list[str]]:
        """The accounting as numbers, and a sentence for each that does not add up."""
        collected, findings = self._controller.collected, self._controller.findings
        reported = self._controller.reported()
        problems = self._plan.accounting.problems(
            collected,
            findings,
            reported,
            narrowed=narrowed,
            min_scans=self._plan.settings.min_scans,
        )
        return self._plan.accounting.counts(collected, findings, reported), problems

    def _verdicts(self, checks: Sequence[str], partial: bool) -> Iterator[Finding]:
        """The verdicts on the release; each is reported before the next is made."""
        controller, settings = self._controller, self._plan.settings
        for check in checks:
            yield controller.execution.runner().release(check, controller.table())
        if settings.waivers:
            yield self._plan.waivers.verdict(controller.findings, self._plan.targets)
        if settings.self_test and not partial:
            detectors = self._plan.detectors
            yield run_self_test(
                controller.execution.runner(),
                [name for name in self._plan.checks(Scope.SCAN) if detectors[name].needs_profile],
                self._plan.refs,
                controller.findings,
                count=settings.self_test,
                seed=settings.seed,
            )

    def _report(self, session: pytest.Session, finding: Finding) -> None:
        """Send a finding on the release as a test report like any other."""
        session.testscollected += 1
        nodeid, mode = f"{GATE_NAME}::{finding.check}", self._plan.settings.mode
        if finding.verdict.blocks and mode == "warn":
            show_warning(finding, nodeid, session.config)
        phases: tuple[Phase, ...] = ("setup", "call", "teardown")
        for when in phases:
            failed = finding.verdict.blocks and mode == "enforce" and when == "call"
            report = pytest.TestReport(
                nodeid=nodeid,
                location=(GATE_NAME, None, finding.check),
                keywords={},
                outcome="failed" if failed else "passed",
                longrepr=failure_repr(finding, GATE_NAME) if failed else None,
                when=when,
                duration=finding.seconds if when == "call" else 0.0,
                user_properties=properties(finding),
            )
            if when == "call":
                attach(report, finding, by_gate=True)
            session.config.hook.pytest_runtest_logreport(report=report)

    def _concluded(self, record: Run, problems: Sequence[str], *, partial: str) -> Run:
        findings = tuple(self._controller.findings)
        verdict, reasons = conclude(findings, problems, partial=partial)
        return replace(
            record,
            verdict=verdict,
            reasons=reasons,
            findings=findings,
            regression=self._controller.baseline.outcome,
        )

    def _write(self, run: Run) -> None:
        """Write results, reports and history; what fails of the last two is in `errors`."""
        folder = self._plan.settings.report
        self._controller.log().close()
        save_run(run, folder)
        try:
            self._plan.manager.hook.safegen_write_report(
                run=run, releases=self._plan.releases, folder=folder, settings=self._plan.settings
            )
        except Exception as error:  # noqa: BLE001  a report must not hide the verdict
            self.errors.append(f"Writing a report failed ({type(error).__name__}: {error}).")
        self.errors += self._controller.baseline.keep(run)

    def _exit_code(self, run: Run, code: int) -> int:
        if code == pytest.ExitCode.NO_TESTS_COLLECTED and run.findings:
            code = pytest.ExitCode.OK
        blocked = run.verdict.blocks and run.reasons[:1] != (PARTIAL,)
        red = (blocked or self.errors) and self._plan.settings.mode == "enforce"
        return pytest.ExitCode.TESTS_FAILED if red and code == pytest.ExitCode.OK else code


def _accounting_finding(counts: Mapping[str, int], problems: Sequence[str]) -> Finding:
    if problems:
        return Finding(ACCOUNTING_CHECK, "", Verdict.ERROR, " ".join(problems))
    reason = (
        f"{counts['scans']} scans and {counts['series']} series gave {counts['discovered']} "
        "checks; all were collected, judged and reported."
    )
    return Finding(ACCOUNTING_CHECK, "", Verdict.PASS, reason)
