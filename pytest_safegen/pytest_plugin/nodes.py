"""Collectors and items: a data root, its scans and series, and one item per check."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from pytest_safegen.core.finding import Finding
from pytest_safegen.core.scan import Release, ScanRef, Series
from pytest_safegen.core.targets import Scope
from pytest_safegen.pytest_plugin.constants import FINDING
from pytest_safegen.pytest_plugin.failures import (
    GateFailure,
    failure_repr,
    failure_text,
    show_warning,
)

Subject = ScanRef | Series


class Judge(Protocol):
    """Judges one scan or series by one check."""

    def __call__(self, check: str, subject: Subject) -> Finding:
        """The finding."""


@dataclass(frozen=True, slots=True)
class Checks:
    """What nodes need of the gate: the checks by what they judge, the judge, and the mode."""

    names: Mapping[Scope, Sequence[str]]
    judge: Judge
    mode: str

    def of(self, subject: Subject) -> Sequence[str]:
        """The checks of a scan or a series."""
        return self.names[Scope.SCAN if isinstance(subject, ScanRef) else Scope.SERIES]


def nodeid_of(path: Path, config: pytest.Config) -> str:
    """A path as pytest names it: relative to the rootdir, "/" separated."""
    return Path(os.path.relpath(path, config.rootpath)).as_posix()


def places_of(release: Release, *, named_by_root: bool) -> Iterator[tuple[Subject, Path]]:
    """Every scan with its path, and every series with follow-up with its folder.

    A series whose scans have no folder of their own is placed where that folder would be.
    `named_by_root`: targets begin with the name of the data folder, for there are several.
    """
    prefix = f"{release.root.name}/" if named_by_root else ""
    for series in release.series:
        yield from ((ref, ref.path) for ref in series.refs)
        if series.timepoints > 1:
            yield series, release.root / series.target.removeprefix(prefix)


def nodeids_of(
    expected: Iterable[tuple[str, str]], releases: Sequence[Release], config: pytest.Config
) -> dict[tuple[str, str], str]:
    """The node id of each (check, target)."""
    several = len(releases) > 1
    places = {
        subject.target: nodeid_of(place, config)
        for release in releases
        for subject, place in places_of(release, named_by_root=several)
    }
    return {(check, target): f"{places[target]}::{check}" for check, target in expected}


class DataNode:
    """A node that takes its hooks from above the data folder: data bring no conftest.py."""

    parent: Any

    @property
    def ihook(self) -> Any:
        """The hooks of the nearest conftest.py outside the data folder, and those above it."""
        return self.parent.ihook


class DataRoot(DataNode, pytest.Collector):
    """Collects every scan and series of one data folder, and nothing else that lies there.

    Files of the folder are data, not tests: no conftest.py, test module or doctest in it is run.
    Only where the folder holds the project itself, the project's own tests are collected too.
    """

    def __init__(
        self, *, checks: Checks, release: Release, named_by_root: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._checks = checks
        self._release = release
        self._named_by_root = named_by_root

    def collect(self) -> Iterator[pytest.Collector]:
        """A node per scan, and one per series with follow-up."""
        for subject, place in places_of(self._release, named_by_root=self._named_by_root):
            if self._checks.of(subject):
                yield self._node(subject, place)
        if self.config.rootpath.is_relative_to(self._release.root):
            yield pytest.Dir.from_parent(self, path=self.path)

    def _node(self, subject: Subject, path: Path) -> pytest.Collector:
        node: pytest.Collector = SubjectNode.from_parent(
            self,
            name=subject.target,
            nodeid=nodeid_of(path, self.config),
            path=path,
            checks=self._checks,
            subject=subject,
        )
        return node


class SubjectNode(DataNode, pytest.Collector):
    """One scan or one series."""

    def __init__(self, *, checks: Checks, subject: Subject, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._checks = checks
        self._subject = subject

    def collect(self) -> Iterator[pytest.Item]:
        """An item per check."""
        for check in self._checks.of(self._subject):
            item: CheckItem = CheckItem.from_parent(
                self, name=check, checks=self._checks, subject=self._subject
            )
            yield item


class CheckItem(DataNode, pytest.Item):
    """One check of one scan or series; it fails if the finding blocks and the gate enforces."""

    def __init__(self, *, name: str, checks: Checks, subject: Subject, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.check = name
        self.subject = subject
        self._checks = checks
        self.add_marker(pytest.mark.safegen)
        self.add_marker(pytest.mark.safegen_check(name))

    def runtest(self) -> None:
        """Judge, and fail or warn if the finding blocks."""
        finding = self._checks.judge(self.check, self.subject)
        self.stash[FINDING] = finding
        self.user_properties.extend(properties(finding))
        if not finding.verdict.blocks:
            return
        if self._checks.mode == "enforce":
            raise GateFailure(failure_text(finding))
        if self._checks.mode == "warn":
            show_warning(finding, self.nodeid, self.config)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The finding where the gate failed the item, else pytest's traceback."""
        if isinstance(excinfo.value, GateFailure):
            return failure_repr(self.stash[FINDING], self.path)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the item is from, for the headline of a failure."""
        return self.path, None, f"{self.subject.target}::{self.check}"


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
