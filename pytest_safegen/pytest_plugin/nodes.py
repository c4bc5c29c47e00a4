"""Collectors and items: a data root, its scans and series, and one item a check."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_safegen.core.finding import Finding
from pytest_safegen.core.scan import Release, ScanRef, Series
from pytest_safegen.core.targets import Scope
from pytest_safegen.judging.messages import breach_line
from pytest_safegen.pytest_plugin.constants import FINDING

if TYPE_CHECKING:
    from pytest_safegen.pytest_plugin.collection import Gate


class GateFailure(Exception):
    """Raised by an item whose finding blocks the release; its text is the reason."""


def nodeid_of(path: Path, config: pytest.Config) -> str:
    """A path as pytest names it: relative to the rootdir, "/" separated."""
    return Path(os.path.relpath(path, config.rootpath)).as_posix()


def places_of(release: Release, *, several: bool) -> Iterator[tuple[ScanRef | Series, Path]]:
    """Every scan with its path, and every series with follow-up with its folder.

    A series whose scans have no folder of their own is placed where that folder would be.
    """
    prefix = f"{release.root.name}/" if several else ""
    for series in release.series:
        yield from ((ref, ref.path) for ref in series.refs)
        if series.timepoints > 1:
            yield series, release.root / series.target.removeprefix(prefix)


class AmongData:
    """A node whose hooks are those of the folder above the data, for the data brings none."""

    parent: Any

    @property
    def ihook(self) -> Any:
        """The hooks of the nearest conftest.py outside the data folder, and those above it."""
        return self.parent.ihook


class DataRoot(AmongData, pytest.Collector):
    """Collects every scan and series of one data folder, and nothing else that lies there.

    Files of the folder are data, not tests: no conftest.py, test module or doctest in it is run.
    Only where the folder holds the project itself, the project's own tests are collected too.
    """

    def __init__(self, *, gate: Gate, release: Release, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate = gate
        self.release = release

    def collect(self) -> Iterator[pytest.Collector]:
        """A node a scan, and one a series that has follow-ups."""
        several = len(self.gate.releases) > 1
        for subject, place in places_of(self.release, several=several):
            scope = Scope.SCAN if isinstance(subject, ScanRef) else Scope.SERIES
            if self.gate.checks(scope):
                yield self._node(subject, scope, place)
        if self.config.rootpath.is_relative_to(self.release.root):
            yield pytest.Dir.from_parent(self, path=self.path)

    def _node(self, subject: ScanRef | Series, scope: Scope, path: Path) -> pytest.Collector:
        node: pytest.Collector = Subject.from_parent(
            self,
            name=subject.target,
            nodeid=nodeid_of(path, self.config),
            path=path,
            gate=self.gate,
            subject=subject,
            scope=scope,
        )
        return node


class Subject(AmongData, pytest.Collector):
    """One scan or one series; an item a check."""

    def __init__(
        self, *, gate: Gate, subject: ScanRef | Series, scope: Scope, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.gate = gate
        self.subject = subject
        self.scope = scope

    def collect(self) -> Iterator[pytest.Item]:
        """The checks that are in force for it."""
        for check in self.gate.checks(self.scope):
            item: CheckItem = CheckItem.from_parent(
                self, name=check, check=check, gate=self.gate, subject=self.subject
            )
            yield item


class CheckItem(AmongData, pytest.Item):
    """One check of one scan or series; it waits for its finding and fails if that blocks."""

    def __init__(self, *, check: str, gate: Gate, subject: ScanRef | Series, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check = check
        self.gate = gate
        self.subject = subject
        self.add_marker(pytest.mark.safegen)
        self.add_marker(pytest.mark.safegen_check(check))

    def runtest(self) -> None:
        """Judge, keep the finding, and fail if it blocks and the gate enforces."""
        finding = self.gate.judge(self)
        self.stash[FINDING] = finding
        self.user_properties.extend(properties(finding))
        if not finding.verdict.blocks:
            return
        if self.gate.settings.mode == "enforce":
            raise GateFailure(finding.reason)
        if self.gate.settings.mode == "warn":
            text = f"{self.nodeid}: {finding.verdict}: {finding.reason}"
            warnings.warn(pytest.PytestWarning(text), stacklevel=1)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The reason alone where the gate failed the item, no traceback."""
        if isinstance(excinfo.value, GateFailure):
            return failure_text(self.stash[FINDING])
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the item is from, for the headline of a failure."""
        return self.path, None, f"{self.subject.target}::{self.check}"


def failure_text(finding: Finding) -> str:
    """What a failed item shows: the headline first, the sentence if it says more, the numbers."""
    reason = finding.reason.rstrip(".")
    lines = [f"{finding.verdict}: {finding.headline or reason}"]
    lines += [] if reason == finding.headline else [finding.reason]
    return "\n".join([*lines, *map(breach_line, finding.breaches)])


def properties(finding: Finding) -> list[tuple[str, object]]:
    """The finding as JUnit properties: texts and plain floats."""
    numbers = {
        "score": finding.score,
        "threshold": finding.threshold,
        "p_value": finding.p_value,
        **{measure.name: measure.value for measure in finding.measures},
    }
    found: list[tuple[str, object]] = [
        (f"safegen.{name}", float(value)) for name, value in numbers.items() if value is not None
    ]
    if finding.heatmap:
        found.append(("safegen.heatmap", finding.heatmap))
    found += [(f"safegen.layers.{name}", path) for name, path in finding.layers.items()]
    return [("safegen.verdict", str(finding.verdict)), *found]
