"""The main process of a pytest run: prepare the report folder and the profile, gather findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from pytest_safegen.config.device import resolve_device
from pytest_safegen.core.codec import decode_finding
from pytest_safegen.core.errors import SafegenError
from pytest_safegen.core.finding import Finding
from pytest_safegen.judging.accounting import keys_of
from pytest_safegen.judging.limits import parse_rule, rules_for
from pytest_safegen.profiles.source import discover_real_scans
from pytest_safegen.pytest_plugin.execution import Execution
from pytest_safegen.pytest_plugin.nodes import CheckItem, nodeids_of
from pytest_safegen.pytest_plugin.plan import Plan
from pytest_safegen.results.baseline import BaselineCheck
from pytest_safegen.results.files import ResultLog, read_findings
from pytest_safegen.results.report_dir import clear_report


class Controller:
    """Gathers what is collected and found; `finish` says what it means for the release."""

    def __init__(self, config: pytest.Config, plan: Plan, execution: Execution) -> None:
        self.config = config
        self.plan = plan
        self.execution = execution
        self.baseline = BaselineCheck()
        self.collected: set[tuple[str, str]] = set()
        self.findings: list[Finding] = []
        self._rows: dict[str, Mapping[str, Any]] = {}
        self._log: ResultLog | None = None

    def log(self) -> ResultLog:
        """results.jsonl, opened by the first call."""
        if self._log is None:
            self._log = ResultLog(self.plan.settings.report)
        return self._log

    def table(self) -> list[Mapping[str, Any]]:
        """A row per scan; those that no check brought along are read now."""
        for ref in self.plan.refs:
            if ref.target not in self._rows:
                self._add_row(self.execution.runner().facts(ref))
        return [self._rows[ref.target] for ref in self.plan.refs]

    def reported(self) -> set[tuple[str, str]]:
        """The (check, target) pairs that results.jsonl holds."""
        self.log()
        return keys_of(read_findings(self.plan.settings.report))

    def pytest_report_header(self) -> list[str]:
        """What was found, and which checks run."""
        known, settings = self.plan.accounting, self.plan.settings
        roots = ", ".join(str(release.root) for release in self.plan.releases)
        left = f" ({known.left_out} files left out)" if known.left_out else ""
        mode = f", mode {settings.mode}: failures do not count"
        return [
            f"safegen: {known.scans} scans, {known.series} series with follow-up in {roots}{left}",
            f"safegen: checks {', '.join(self.plan.detectors)}"
            + (mode if settings.mode != "enforce" else ""),
        ]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Make room for the report; with xdist, fit the profile before workers need it."""
        if self.config.option.collectonly:
            return
        settings = self.plan.settings
        try:
            self._check_settings()
            self.baseline = BaselineCheck.of(settings, self.plan.detectors)
            real = (*settings.reference, *settings.holdout)
            clear_report(settings.report, scans=(*settings.data, *real))
        except SafegenError as error:
            raise pytest.UsageError(str(error)) from error
        if self.config.pluginmanager.hasplugin("dsession"):
            self._prepare_profile(self.plan.detectors)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Fit the profile before the first test, where the progress can be seen."""
        if not self.config.option.collectonly:
            self._prepare_profile(i.check for i in session.items if isinstance(i, CheckItem))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count what pytest kept."""
        items = [item for item in session.items if isinstance(item, CheckItem)]
        self.collected |= {(item.check, item.subject.target) for item in items}

    def add_collected(self, nodeids: Sequence[str]) -> None:
        """Count what a worker of xdist collected."""
        wanted = set(nodeids)
        plan = self.plan
        known = nodeids_of(plan.accounting.expected, plan.releases, self.config)
        self.collected |= {key for key, nodeid in known.items() if nodeid in wanted}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write a finding to disk as soon as it is there."""
        sent = getattr(report, "safegen", None)
        if sent is not None:
            self.findings.append(decode_finding(sent["finding"]))
            self.log().add_encoded(sent["finding"])
            if sent["row"] is not None:
                self._add_row(sent["row"])

    def pytest_unconfigure(self) -> None:
        """Close the results of a run that ended before its time."""
        if self._log is not None:
            self._log.close()

    def _add_row(self, row: Mapping[str, Any]) -> None:
        self._rows[row["target"]] = row
        self.log().add_row(row)

    def _check_settings(self) -> None:
        """Refuse invalid limits, devices, folders and profiles before anything is judged."""
        settings = self.plan.settings
        for expression in settings.thresholds.values():
            parse_rule(expression)
        for name, detector in self.plan.detectors.items():
            rules_for(name, detector.rules, settings.thresholds)
        if settings.device != "auto":
            resolve_device(settings.device)
        if settings.profile is not None:
            self.execution.runner()  # loads the profile, or says why it cannot
        else:
            discover_real_scans(settings)

    def _prepare_profile(self, checks: Iterable[str]) -> None:
        """Load the profile if a check needs one; fit it first, visibly, if it is not cached."""

        def progress(items: Sequence[Any], label: str) -> Iterable[Any]:
            reporter = self.config.pluginmanager.get_plugin("terminalreporter")
            if items and reporter is not None:
                reporter.ensure_newline()
                reporter.write_line(f"safegen: {label} ({len(items)})")
            return items

        if any(self.plan.detectors[check].needs_profile for check in checks):
            self.execution.runner(progress)
