"""Collection: data folders become nodes, and the parameters of users' own tests."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path

import pytest

from pytest_safegen.core.scan import Release, ScanRef, Series
from pytest_safegen.core.targets import Scope
from pytest_safegen.pytest_plugin.constants import FIXTURES, GATE_NAME
from pytest_safegen.pytest_plugin.nodes import (
    CheckItem,
    Checks,
    DataRoot,
    Judge,
    nodeid_of,
    nodeids_of,
)
from pytest_safegen.pytest_plugin.plan import Plan
from pytest_safegen.pytest_plugin.selection import Selection


class Gate:
    """Collects the scans and series of the data folders, in every process of a run."""

    def __init__(self, config: pytest.Config, plan: Plan, judge: Judge) -> None:
        self._config = config
        self._plan = plan
        self._checks = Checks(
            {scope: plan.checks(scope) for scope in Scope}, judge, plan.settings.mode
        )
        nodeids = nodeids_of(plan.accounting.expected, plan.releases, config)
        self.selection = Selection.of(
            config,
            [release.root for release in plan.releases],
            known=list(nodeids.values()),
            verdicts=[f"{GATE_NAME}::{name}" for name in plan.verdicts_on_release()],
        )

    def parameters(self, fixture: str) -> Mapping[str, ScanRef | Series | Release]:
        """What a fixture of the users' own tests runs over, by test id."""
        if fixture == FIXTURES[0]:
            return {ref.target: ref for ref in self._plan.refs}
        if fixture == FIXTURES[1]:
            return {series.target: series for series in self._plan.series}
        return {nodeid_of(release.root, self._config): release for release in self._plan.releases}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(
        self, path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """Collect a data folder as data."""
        for release in self._plan.releases:
            if path == release.root:
                root: pytest.Collector = DataRoot.from_parent(
                    parent,
                    name=path.name,
                    nodeid=nodeid_of(path, self._config),
                    path=path,
                    checks=self._checks,
                    release=release,
                    named_by_root=len(self._plan.releases) > 1,
                )
                return root
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Never ignore the way to a data folder, whatever norecursedirs says."""
        roots = [release.root for release in self._plan.releases]
        return False if any(root.is_relative_to(collection_path) for root in roots) else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        """Drop what was not asked for by path or node id, and keep the checks of a scan together.

        Other plug-ins may shuffle the items, and a scan should be read and prepared only once.
        """
        dropped = [item for item in items if not self.selection.wants(item)]
        if dropped:
            items[:] = [item for item in items if self.selection.wants(item)]
            self._config.hook.pytest_deselected(items=dropped)
        result = yield
        place: dict[str, int] = {}
        for item in items:
            place.setdefault(_group(item), len(place))
        items.sort(key=lambda item: place[_group(item)])
        return result


def _group(item: pytest.Item) -> str:
    """The scan or series of a check; any other item stands alone."""
    return item.nodeid.rpartition("::")[0] if isinstance(item, CheckItem) else item.nodeid
