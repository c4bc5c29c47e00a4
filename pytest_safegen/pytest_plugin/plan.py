"""What a pytest run judges, and by which checks: the same in the main process and every worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pluggy

from pytest_safegen.config import plugins
from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.scan import Release, ScanRef, Series
from pytest_safegen.core.targets import Scope
from pytest_safegen.data.discover import discover_all
from pytest_safegen.judging.accounting import Accounting
from pytest_safegen.judging.self_test import SELF_TEST
from pytest_safegen.judging.waivers import WAIVERS_CHECK, Waivers, read_waivers
from pytest_safegen.results.baseline import REGRESSION_CHECK

ACCOUNTING_CHECK = "accounting"


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of a run, the scans they name, and the detectors that judge them."""

    settings: Settings
    manager: pluggy.PluginManager
    detectors: Mapping[str, Detector]
    releases: tuple[Release, ...]
    accounting: Accounting
    waivers: Waivers

    @classmethod
    def of(cls, settings: Settings, *, plugins_of_pytest: Iterable[object] = ()) -> Plan:
        """Load the plug-ins and discover the scans that the settings name.

        Raises:
            SafegenError: a missing folder, no scan, a broken plug-in or file of waivers.
        """
        manager = plugins.build_manager(settings, extra=plugins_of_pytest)
        detectors = plugins.detectors(manager, settings)
        releases = tuple(discover_all(settings))
        return cls(
            settings,
            manager,
            detectors,
            releases,
            Accounting.of(releases, detectors),
            read_waivers(settings.waivers) if settings.waivers else Waivers(),
        )

    @property
    def refs(self) -> list[ScanRef]:
        """All scans."""
        return [ref for release in self.releases for ref in release.refs]

    @property
    def series(self) -> list[Series]:
        """The scans of each patient."""
        return [series for release in self.releases for series in release.series]

    @property
    def targets(self) -> frozenset[str]:
        """The names of all scans and series."""
        scans = {ref.target for ref in self.refs}
        return frozenset(scans | {series.target for series in self.series})

    def checks(self, scope: Scope) -> list[str]:
        """The names of the checks that judge scans, series or the release."""
        return [name for name, detector in self.detectors.items() if detector.scope is scope]

    def verdicts_on_release(self) -> list[str]:
        """The names of all verdicts on the release as a whole."""
        optional = {
            WAIVERS_CHECK: self.settings.waivers,
            SELF_TEST: self.settings.self_test,
            REGRESSION_CHECK: self.settings.baseline,
        }
        asked = [name for name, setting in optional.items() if setting]
        return [*self.checks(Scope.RELEASE), ACCOUNTING_CHECK, *asked]
