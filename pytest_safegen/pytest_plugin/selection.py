"""Selection by arguments that point into a data folder, such as `synthetic/sub-01::longitudinal`.

pytest refuses `folder::name`, and a series or a DICOM scan is a folder. So such arguments are
replaced by the data root, and a `Selection` of its items remembers what they asked for.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.pytest_plugin.constants import GATE_NAME
from pytest_safegen.pytest_plugin.nodes import CheckItem, nodeid_of
from pytest_safegen.pytest_plugin.plan import ACCOUNTING_CHECK

ACCOUNTING = f"{GATE_NAME}::{ACCOUNTING_CHECK}"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of the command line, and the data root that it points into."""

    text: str
    path: Path
    nodeid: str
    root: Path | None

    @property
    def is_root(self) -> bool:
        """True for a data root itself, with everything in it."""
        return self.path == self.root and "::" not in self.text


@dataclass(frozen=True, slots=True)
class Selection:
    """What the arguments asked for, as prefixes of node ids.

    `scans`: scans, series and their checks; `own`: the project's own tests among the scans;
    `roots`: data folders as a whole; `homes`: data folders that hold the project. `release` names
    verdicts on the release.
    """

    scans: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    homes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        config: pytest.Config,
        roots: Sequence[Path],
        *,
        known: Collection[str],
        verdicts: Collection[str],
    ) -> Selection:
        """The selection of a run; replaces arguments so that pytest collects each data root once.

        `known` are the node ids of all checks of scans and series, `verdicts` those of verdicts on
        the release.

        Raises:
            UsageProblem: an argument that matches nothing.
        """
        release = [text for text in config.args if text.startswith(f"{GATE_NAME}::")]
        arguments = [_argument(text, config, roots) for text in config.args if text not in release]
        inside = [a for a in arguments if a.root is not None and not a.is_root]
        scans = [a for a in inside if any(_begins(nodeid, a.nodeid) for nodeid in known)]
        own = [a for a in inside if a not in scans]
        homes = [root for root in roots if config.rootpath.is_relative_to(root)]
        nothing = [a.text for a in own if a.root not in homes or not a.path.exists()]
        _refuse([*nothing, *(text for text in release if text not in verdicts)])
        others = [a for a in arguments if a not in inside]
        part = bool(scans or release) and ACCOUNTING not in release
        whole = [root for root in roots if not part or _covers(others, root)]
        needed = [root for root in roots if root in whole or any(a.root == root for a in inside)]
        config.args[:] = [a.text for a in others]
        config.args += [str(root) for root in needed if not _covers(others, root)]
        return cls(
            tuple(a.nodeid for a in scans),
            tuple(a.nodeid for a in own),
            tuple(text.removeprefix(f"{GATE_NAME}::") for text in release),
            tuple(nodeid_of(root, config) for root in whole),
            tuple(nodeid_of(root, config) for root in homes),
        )

    def wants(self, item: pytest.Item) -> bool:
        """True if an item was asked for."""
        if isinstance(item, CheckItem):
            return _begins(item.nodeid, *self.scans, *self.roots)
        if not _begins(item.nodeid, *self.homes):
            return True
        return _begins(item.nodeid, *(self.own or self.roots))


def _argument(text: str, config: pytest.Config, roots: Sequence[Path]) -> Argument:
    place, sign, names = text.partition("::")
    path = Path(os.path.normpath(config.invocation_params.dir / place))
    root = next((root for root in roots if path.is_relative_to(root)), None)
    return Argument(text, path, nodeid_of(path, config) + sign + names, root)


def _begins(nodeid: str, *beginnings: str) -> bool:
    """True if a node id is one of these, or lies inside one of them."""
    return any(
        nodeid == beginning
        or nodeid.startswith((f"{beginning}::", f"{beginning}/"))
        or (beginning == "." and not nodeid.startswith("../"))
        for beginning in beginnings
    )


def _covers(arguments: Sequence[Argument], root: Path) -> bool:
    """True if pytest reaches a data root through one of the arguments."""
    return any(root.is_relative_to(a.path) and a.path.is_dir() for a in arguments)


def _refuse(nothing: Sequence[str]) -> None:
    if nothing:
        raise UsageProblem(
            f"No scan, series or check matches {nothing[0]}; --collect-only -q lists them all."
        )


class ReleaseItem(pytest.Item):
    """A verdict on the release, made so that pytest's options can select it; it is never run."""

    def runtest(self) -> None:
        """Do nothing: the main process judges the release at the end."""


def release_checks(
    session: pytest.Session, names: Sequence[str], selection: Selection, *, complete: bool
) -> list[str]:
    """The checks of the release that were asked for, of these.

    `complete` is False if some scans were left out; then --lf keeps only what failed last.
    """
    if selection.release and ACCOUNTING_CHECK not in selection.release:
        return [name for name in names if name in selection.release]
    if selection.scans:
        return []
    items = [_release_item(session, name) for name in names]
    by_expression: Any = session.config.pluginmanager.get_plugin("mark")
    by_expression.pytest_collection_modifyitems(items=items, config=session.config)  # -k and -m
    deselected = tuple(session.config.getoption("deselect") or ())
    items = [item for item in items if not (deselected and item.nodeid.startswith(deselected))]
    if session.config.getoption("lf", False) and not complete:
        failed = session.config.cache.get("cache/lastfailed", {})
        items = [item for item in items if item.nodeid in failed]
    return [item.name for item in items]


def _release_item(session: pytest.Session, name: str) -> ReleaseItem:
    item: ReleaseItem = ReleaseItem.from_parent(session, name=name, nodeid=f"{GATE_NAME}::{name}")
    item.add_marker(pytest.mark.safegen)
    item.extra_keyword_matches.add(GATE_NAME)
    return item
