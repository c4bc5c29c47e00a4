"""The gate within one pytest run: what is asked, what is found, judged and reported."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_safegen.config import plugins
from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.errors import SafegenError
from pytest_safegen.core.finding import Finding, Verdict
from pytest_safegen.core.scan import Release, ScanRef, Series
from pytest_safegen.core.targets import Scope
from pytest_safegen.data.discover import discover_all
from pytest_safegen.judging.accounting import Accounting
from pytest_safegen.judging.self_test import SELF_TEST as CANARIES
from pytest_safegen.judging.waivers import WAIVERS_CHECK as WAIVERS, Waivers, read_waivers
from pytest_safegen.pytest_plugin.constants import FINDING, FIXTURES, GATE_NAME
from pytest_safegen.pytest_plugin.nodes import CheckItem, DataRoot, nodeid_of, places_of
from pytest_safegen.pytest_plugin.selection import Selection
from pytest_safegen.pytest_plugin.settings import settings_of
from pytest_safegen.results.baseline import REGRESSION_CHECK as REGRESSION

SCANS_AHEAD = 2


def configure(config: pytest.Config) -> None:
    """Register the gate if the settings name data.

    Raises:
        pytest.UsageError: settings that cannot be, or data folders that are not there.
    """
    try:
        settings = settings_of(config, vars(config.option))
        if not settings.data:
            return
        gate = Gate(config, settings)
    except SafegenError as problem:
        raise pytest.UsageError(str(problem)) from problem
    config.pluginmanager.register(gate, GATE_NAME)
    if not hasattr(config, "workerinput"):
        from pytest_safegen.pytest_plugin.controller import Controller, WithXdist

        controller = Controller(config, gate)
        config.pluginmanager.register(controller, f"{GATE_NAME}-controller")
        if config.pluginmanager.hasplugin("xdist"):
            config.pluginmanager.register(WithXdist(controller), f"{GATE_NAME}-xdist")


class Gate:
    """Discovers, collects and judges, in the main process and in every xdist worker."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.manager = plugins.build_manager(settings, extra=config.pluginmanager.get_plugins())
        self.detectors: dict[str, Detector] = plugins.detectors(self.manager, settings)
        self.releases = discover_all(settings)
        self._cohort_of = {one.target: rel.series for rel in self.releases for one in rel.series}
        self.accounting = Accounting.of(self.releases, self.detectors)
        self.selection = Selection.of(
            config,
            [release.root for release in self.releases],
            known=list(self.nodeids().values()),
            verdicts=[f"{GATE_NAME}::{name}" for name in self._verdicts_on_release()],
        )
        self.waivers = read_waivers(settings.waivers) if settings.waivers else Waivers()
        self.opened: Any = None
        self._order: list[ScanRef] = []
        self._places: dict[str, int] = {}
        self._next: pytest.Item | None = None
        if hasattr(config, "workerinput"):
            _share_cores()

    def checks(self, scope: Scope) -> list[str]:
        """The names of the checks in force that speak of scans, series or the release."""
        return [name for name, detector in self.detectors.items() if detector.scope is scope]

    def nodeids(self) -> dict[tuple[str, str], str]:
        """The node id of every (check, target) that discovery expects."""
        places = {
            subject.target: nodeid_of(place, self.config)
            for release in self.releases
            for subject, place in places_of(release, several=len(self.releases) > 1)
        }
        return {
            (check, target): f"{places[target]}::{check}"
            for check, target in self.accounting.expected
        }

    def parameters(self, fixture: str) -> Mapping[str, ScanRef | Series | Release]:
        """What a fixture of the user's own tests runs over, by test id."""
        if fixture == FIXTURES[0]:
            return {ref.target: ref for release in self.releases for ref in release.refs}
        if fixture == FIXTURES[1]:
            return {series.target: series for release in self.releases for series in release.series}
        return {nodeid_of(release.root, self.config): release for release in self.releases}

    def pipeline(
        self, progress: Callable[[Sequence[Any], str], Iterable[Any]] | None = None
    ) -> Any:
        """The pipeline with its profiles, made when it is first asked for.

        No property: pytest before 8.4 evaluates all properties of a plug-in at its registration.
        """
        from pytest_safegen.judging.runner import runner_for

        if self.opened is None:
            shown = {"progress": progress} if progress else {}
            self.opened = runner_for(self.settings, self.detectors, **shown)
        return self.opened

    def judge(self, item: CheckItem) -> Finding:
        """The finding of one item, WAIVED if a person answers for it."""
        subject = item.subject
        if isinstance(subject, Series):
            cohort = self._cohort_of[subject.target]
            found = self.pipeline().series(item.check, subject, cohort=cohort)
            return self.waivers.applied(found, subject.refs)
        upcoming = self._upcoming(subject)
        found = self.pipeline().scan(item.check, subject, upcoming=upcoming)
        return self.waivers.applied(found, [subject])

    def targets(self) -> frozenset[str]:
        """The names of all scans and series."""
        series = [one for release in self.releases for one in release.series]
        scans = {ref.target for one in series for ref in one.refs}
        return frozenset(scans | {one.target for one in series})

    def _verdicts_on_release(self) -> list[str]:
        named = ["accounting", *([WAIVERS] if self.settings.waivers else [])]
        named += [CANARIES] if self.settings.canaries else []
        named += [REGRESSION] if self.settings.baseline else []
        return [*self.checks(Scope.RELEASE), *named]

    def needs_profile(self, items: Iterable[pytest.Item]) -> bool:
        """True if some item compares with real scans."""
        return any(
            self.detectors[item.check].needs_profile
            for item in items
            if isinstance(item, CheckItem)
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(
        self, path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """Collect a data folder as data."""
        for release in self.releases:
            if path == release.root:
                nodeid = nodeid_of(path, self.config)
                root: pytest.Collector = DataRoot.from_parent(
                    parent, name=path.name, nodeid=nodeid, path=path, gate=self, release=release
                )
                return root
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Never ignore the way to a data folder, whatever norecursedirs says."""
        roots = [release.root for release in self.releases]
        return False if any(root.is_relative_to(collection_path) for root in roots) else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        """Keep what was asked for by path or node id, and the checks of one scan together.

        Other plug-ins may shuffle the items, and a scan should be read and prepared only once.
        """
        dropped = [item for item in items if not self.selection.wants(item)]
        if dropped:
            items[:] = [item for item in items if self.selection.wants(item)]
            self.config.hook.pytest_deselected(items=dropped)
        result = yield
        place: dict[str, int] = {}
        for item in items:
            place.setdefault(_group(item), len(place))
        items.sort(key=lambda item: place[_group(item)])
        return result

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn in which order the scans will be asked for."""
        refs = [item.subject for item in session.items if isinstance(item, CheckItem)]
        self._order = list({r.target: r for r in refs if isinstance(r, ScanRef)}.values())
        self._places = {ref.target: place for place, ref in enumerate(self._order)}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Remember what comes next."""
        self._next = nextitem
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send the finding along with the report, as plain JSON, through xdist too."""
        from pytest_safegen.core.codec import encode_finding

        report = yield
        finding = item.stash.get(FINDING, None) if report.when == "call" else None
        finding = finding or _own_finding(item, report)
        if finding is not None:
            row = self._row(item, finding)
            report.safegen = {"finding": encode_finding(finding), "row": row}  # type: ignore[attr-defined]
        return report

    def pytest_unconfigure(self) -> None:
        """Stop the reader thread, if it was ever started."""
        if self.opened is not None:
            self.opened.close()

    def _row(self, item: pytest.Item, finding: Finding) -> dict[str, Any] | None:
        """The scan's row in the table of scans, sent once, with its first check."""
        first = (self.checks(Scope.SCAN) or [""])[0]
        if not (isinstance(item, CheckItem) and isinstance(item.subject, ScanRef)):
            return None
        return dict(self.pipeline().facts(item.subject)) if finding.check == first else None

    def _upcoming(self, ref: ScanRef) -> Sequence[ScanRef]:
        if hasattr(self.config, "workerinput"):
            following = getattr(self._next, "subject", None)
            return [following] if isinstance(following, ScanRef) else []
        place = self._places.get(ref.target, len(self._order)) + 1
        return self._order[place : place + SCANS_AHEAD]


def _group(item: pytest.Item) -> str:
    """The scan or series of a check; any other item stands alone."""
    return item.nodeid.rpartition("::")[0] if isinstance(item, CheckItem) else item.nodeid


def _share_cores() -> None:
    """Let the workers of one machine share its cores instead of fighting for them."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    threads = max(1, (os.cpu_count() or 1) // workers)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


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
