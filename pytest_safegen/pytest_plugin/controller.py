"""The main process of a pytest run: gather findings, conclude, report, set the exit code."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Literal

import pytest

from pytest_safegen.core.codec import decode_finding, encode_finding
from pytest_safegen.core.errors import SafegenError
from pytest_safegen.core.finding import Finding, Run, Verdict
from pytest_safegen.core.targets import Scope
from pytest_safegen.judging.accounting import keys_of
from pytest_safegen.judging.limits import parse_rule
from pytest_safegen.judging.release import conclude
from pytest_safegen.judging.self_test import run_self_test
from pytest_safegen.pytest_plugin.constants import GATE_NAME
from pytest_safegen.pytest_plugin.nodes import CheckItem, properties
from pytest_safegen.pytest_plugin.selection import release_checks
from pytest_safegen.results.baseline import BaselineCheck
from pytest_safegen.results.files import ResultLog, read_findings
from pytest_safegen.results.gate_json import save_run
from pytest_safegen.results.provenance import Provenance, provenance_of
from pytest_safegen.results.report_dir import clear_report

NARROWING = ("keyword", "markexpr", "lf", "deselect", "stepwise")
STOPPED = (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR)


class Controller:
    """Holds what came in so far and, at the end, says what it means for the release."""

    def __init__(self, config: pytest.Config, gate: Any) -> None:
        self.config = config
        self.gate = gate
        self.collected: set[tuple[str, str]] = set()
        self.findings: list[Finding] = []
        self.rows: dict[str, Mapping[str, Any]] = {}
        self.run: Run | None = None
        self.trouble: list[str] = []
        self.memory = BaselineCheck()
        self._log: ResultLog | None = None
        self._provenance: Provenance | None = None

    def log(self) -> ResultLog:
        """results.jsonl, opened when the first finding comes."""
        if self._log is None:
            self._log = ResultLog(self.gate.settings.report)
        return self._log

    def pytest_report_header(self) -> list[str]:
        """What was found, and which checks are in force."""
        known, settings = self.gate.accounting, self.gate.settings
        roots = ", ".join(str(release.root) for release in self.gate.releases)
        found = f"{known.scans} scans, {known.series} series with follow-up in {roots}"
        left = f" ({known.left_out} files left out)" if known.left_out else ""
        mode = (
            "" if settings.mode == "enforce" else f", mode {settings.mode}: failures do not count"
        )
        return [
            f"safegen: {found}{left}",
            f"safegen: checks {', '.join(self.gate.detectors)}{mode}",
        ]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Make room for the report; with xdist, fit the profile before workers need it."""
        if self.config.option.collectonly:
            return
        settings = self.gate.settings
        try:
            self._check_settings()
            self.memory = BaselineCheck.of(settings, self.gate.detectors)
            clear_report(
                settings.report, scans=(*settings.data, *settings.reference, *settings.holdout)
            )
        except SafegenError as problem:
            raise pytest.UsageError(str(problem)) from problem
        distributed = self.config.pluginmanager.hasplugin("dsession")
        if distributed and any(d.needs_profile for d in self.gate.detectors.values()):
            self._prepare_knowledge()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Fit the profile before the first test, where the progress can be seen."""
        if not self.config.option.collectonly and self.gate.needs_profile(session.items):
            self._prepare_knowledge()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count what pytest kept."""
        items = [item for item in session.items if isinstance(item, CheckItem)]
        self.collected |= {(item.check, item.subject.target) for item in items}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Put a finding on disk as soon as it is there."""
        sent = getattr(report, "safegen", None)
        if sent is not None:
            self._add(sent["finding"])
            row = sent["row"]
            if row is not None:
                self.rows[row["target"]] = row
                self.log().add_row(row)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Judge the release as a whole and let terminal, JUnit and exit code agree on it."""
        if self.config.option.collectonly or exitstatus in STOPPED:
            return
        checks = release_checks(session, self.gate, complete=self._complete())
        narrowed = self._narrowed() and not (
            self._complete() and len(checks) == len(self.gate.checks(Scope.RELEASE))
        )
        stopped = exitstatus == pytest.ExitCode.INTERRUPTED or session.shouldfail
        if not stopped:
            for check in checks:
                self._report(session, self.gate.pipeline().release(check, self._table()))
        if self.gate.settings.waivers:
            verdict = self.gate.waivers.verdict(self.findings, self.gate.targets())
            self._report(session, verdict)
        if self.gate.settings.canaries and not narrowed and not stopped:
            self._report(session, self._canaries())
        if self.memory.asked and not narrowed:
            self._report(session, self.memory.compare(self._so_far()))
        written = self._on_disk()
        problems = self._problems(written, narrowed=narrowed)
        counts = self._counts(written)
        if not narrowed or problems:
            self._report(session, _accounting_finding(counts, problems))
        self._conclude(problems, counts, partial=PARTIAL if narrowed else "")
        self._set_exit_code(session)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The verdict, the accounting line, and where the report is."""
        if self.run is None:
            return
        terminalreporter.section("safegen")
        good = not self.run.verdict.blocks
        color = {"green": True} if good else {"red": True}
        reasons = "; ".join(self.run.reasons)
        terminalreporter.write_line(
            f"{self.run.verdict}" + (f": {reasons}" if reasons else ""), bold=True, **color
        )
        counts = self.run.counts
        terminalreporter.write_line(
            f"{counts['scans']} scans, {counts['series']} series: {counts['discovered']} checks "
            f"discovered, {counts['collected']} collected, {counts['judged']} judged, "
            f"{counts['reported']} reported"
        )
        for sentence in self.trouble:
            terminalreporter.write_line(sentence, red=True)
        page = self.gate.settings.report / "index.html"
        terminalreporter.write_line(
            f"report: {page}" if page.is_file() else f"results: {page.parent}"
        )

    def _check_settings(self) -> None:
        """Refuse limits, devices, folders and profiles that cannot be, before judging."""
        from pytest_safegen.config.device import resolve_device
        from pytest_safegen.profiles.source import discover_real_scans

        settings = self.gate.settings
        for expression in settings.thresholds.values():
            parse_rule(expression)
        if settings.device != "auto":
            resolve_device(settings.device)
        if settings.profile is not None:
            self.gate.pipeline()  # loads the profile, or says why it cannot
        else:
            discover_real_scans(settings)

    def _prepare_knowledge(self) -> None:
        """Fit, if it must be, and say so; a second run finds the profile in the cache."""

        def progress(items: Sequence[Any], label: str) -> Iterable[Any]:
            if items:
                self._say(f"safegen: {label} ({len(items)})")
            return items

        self.gate.pipeline(progress)

    def _say(self, text: str) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(text)

    def _add(self, line: str) -> None:
        """Keep a finding, and write the text by which it came."""
        self.findings.append(decode_finding(line))
        self.log().add_encoded(line)

    def _table(self) -> list[Mapping[str, Any]]:
        """A row a scan; those that no check brought along are read now."""
        refs = [ref for release in self.gate.releases for ref in release.refs]
        for ref in refs:
            if ref.target not in self.rows:
                self.rows[ref.target] = self.gate.pipeline().facts(ref)
                self.log().add_row(self.rows[ref.target])
        return [self.rows[ref.target] for ref in refs]

    def _canaries(self) -> Finding:
        """The verdict on planted faults: whether this run can still say no."""
        settings, detectors = self.gate.settings, self.gate.detectors
        return run_self_test(
            self.gate.pipeline(),
            [name for name in self.gate.checks(Scope.SCAN) if detectors[name].needs_profile],
            [ref for release in self.gate.releases for ref in release.refs],
            self.findings,
            count=settings.canaries,
            seed=settings.seed,
        )

    def _counts(self, written: Collection[tuple[str, str]]) -> dict[str, int]:
        return dict(self.gate.accounting.counts(self.collected, self.findings, written))

    def _on_disk(self) -> set[tuple[str, str]]:
        """What results.jsonl says by itself."""
        self.log()
        return keys_of(read_findings(self.gate.settings.report))

    def _problems(self, written: Collection[tuple[str, str]], *, narrowed: bool) -> list[str]:
        found: list[str] = self.gate.accounting.problems(
            self.collected,
            self.findings,
            written,
            narrowed=narrowed,
            min_scans=self.gate.settings.min_scans,
        )
        return found

    def _narrowed(self) -> bool:
        """True if the user asked for something that may leave checks out."""
        asked = any(getattr(self.config.option, name, None) for name in NARROWING)
        return bool(asked or self.gate.selection.scans or self.gate.selection.release)

    def _complete(self) -> bool:
        """True if every check of a scan or series was collected."""
        return bool(self.gate.accounting.expected <= self.collected)

    def _report(self, session: pytest.Session, finding: Finding) -> None:
        """Send a finding on the release as a test report like any other."""
        self._add(encode_finding(finding))
        session.testscollected += 1
        name = f"{GATE_NAME}::{finding.check}"
        failed = finding.verdict.blocks and self.gate.settings.mode == "enforce"
        phases: tuple[Literal["setup", "call", "teardown"], ...] = ("setup", "call", "teardown")
        for when in phases:
            wrong = failed and when == "call"
            report = pytest.TestReport(
                nodeid=name,
                location=(GATE_NAME, None, finding.check),
                keywords={},
                outcome="failed" if wrong else "passed",
                longrepr=f"{finding.verdict}: {finding.reason}" if wrong else None,
                when=when,
                duration=finding.seconds if when == "call" else 0.0,
                user_properties=properties(finding),
            )
            self.config.hook.pytest_runtest_logreport(report=report)

    def _conclude(
        self, problems: Sequence[str], counts: Mapping[str, int], *, partial: str
    ) -> None:
        verdict, reasons = conclude(self.findings, problems, partial=partial)
        settings = self.gate.settings
        self.run = replace(
            self._so_far(),
            verdict=verdict,
            reasons=reasons,
            findings=tuple(self.findings),
            counts=counts,
            regression=self.memory.outcome,
        )
        self.log().close()
        save_run(self.run, settings.report)
        self._write_reports(self.run)
        self.trouble += self.memory.keep(self.run)

    def _so_far(self) -> Run:
        """The run as far as it is known before the verdict."""
        settings = self.gate.settings
        generator, _, version = (settings.model or "").partition("@")
        profiles = self.gate.opened.profiles if self.gate.opened else None
        device = self.gate.pipeline().device if profiles else ""
        if self._provenance is None:
            gate = self.gate
            self._provenance = provenance_of(
                settings, gate.releases, gate.detectors, profiles, device
            )
        provenance = self._provenance
        return Run(
            id=uuid.uuid4().hex,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            verdict=Verdict.INCONCLUSIVE,
            reasons=(),
            roots=tuple(str(release.root) for release in self.gate.releases),
            mode=settings.mode,
            findings=tuple(self.findings),
            counts={},
            generator=generator or None,
            version=version or None,
            commit=provenance.commit,
            dirty=provenance.dirty,
            config_digest=_digest_of_settings(settings),
            profile_digests={"profile": profiles.digest} if profiles else {},
            calibrations=self.gate.pipeline().calibrations() if profiles else {},
            limits=self.gate.pipeline().limits(),
            release=_digest_of_release(self.gate.accounting.expected),
            checks={name: str(one.scope) for name, one in self.gate.detectors.items()},
            environment=_environment(device),
            data_digest=provenance.data_digest,
            comparability=provenance.comparability,
            directions=provenance.directions,
        )

    def _write_reports(self, run: Run) -> None:
        try:
            self.gate.manager.hook.safegen_write_report(
                run=run,
                releases=self.gate.releases,
                folder=self.gate.settings.report,
                settings=self.gate.settings,
            )
        except Exception as problem:  # noqa: BLE001  a report must not hide the verdict
            self.trouble.append(
                f"A report could not be written ({type(problem).__name__}: {problem})."
            )

    def _set_exit_code(self, session: pytest.Session) -> None:
        assert self.run is not None  # noqa: S101  set one line before
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self.findings:
            session.exitstatus = pytest.ExitCode.OK
        blocked = self.run.verdict.blocks and self.run.reasons[:1] != (PARTIAL,)
        if not (blocked or self.trouble) or self.gate.settings.mode != "enforce":
            return
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_unconfigure(self) -> None:
        """Close the results of a run that ended before its time."""
        if self._log is not None:
            self._log.close()


PARTIAL = "only a part of the checks was asked for, so this run says nothing of the release"


class WithXdist:
    """What the controller learns only through xdist."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Count what the workers collected."""
        wanted = set(ids)
        gate = self._controller.gate
        self._controller.collected |= {
            key for key, nodeid in gate.nodeids().items() if nodeid in wanted
        }


def _accounting_finding(counts: Mapping[str, int], problems: Sequence[str]) -> Finding:
    if problems:
        return Finding("accounting", "", Verdict.ERROR, " ".join(problems))
    reason = (
        f"{counts['scans']} scans and {counts['series']} series gave {counts['discovered']} "
        "checks; all were collected, judged and reported."
    )
    return Finding("accounting", "", Verdict.PASS, reason)


def _digest_of_settings(settings: Any) -> str:
    text = repr((settings.checks, settings.exclude_checks, sorted(settings.thresholds.items())))
    more = repr((settings.min_scans, settings.seed, sorted(settings.detectors.items())))
    return hashlib.blake2b((text + more).encode(), digest_size=8).hexdigest()


def _digest_of_release(expected: Iterable[tuple[str, str]]) -> str:
    text = "\n".join(sorted(f"{check}\t{target}" for check, target in expected))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _environment(device: str) -> dict[str, str]:
    packages = ("pytest-safegen", "pytest", "numpy", "torch", "SimpleITK", "nibabel")
    versions = {name: metadata.version(name) for name in packages}
    machine = {"python": platform.python_version(), "platform": sys.platform}
    return machine | versions | {"device": device or "cpu", "cores": str(os.cpu_count() or 1)}
