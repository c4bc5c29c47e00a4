"""Arguments that point into a data folder: pytest gets the folder, the gate keeps the items.

pytest refuses `folder::name` as an argument, and a series or a DICOM scan is a folder. So such
arguments are replaced by the data root, and what they asked for is remembered here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_safegen.nodes import nodeid_of


@dataclass(frozen=True, slots=True)
class Selection:
    """The node ids, or beginnings of node ids, that the arguments asked for; empty: all."""

    wanted: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: pytest.Config, roots: Sequence[Path]) -> Selection:
        """Read the arguments, and change them so that each data root is collected once."""
        wanted: list[str] = []
        whole: list[str] = []
        kept: list[str] = []
        pointed: set[Path] = set()
        for argument in config.args:
            text, sign, names = argument.partition("::")
            path = Path(config.invocation_params.dir / text).absolute()
            root = next((root for root in roots if path.is_relative_to(root)), None)
            if root is None or (path == root and not sign):
                kept.append(argument)
                whole += [nodeid_of(root, config)] if root else []
                continue
            pointed.add(root)
            wanted.append(nodeid_of(path, config) + sign + names)
        covered = [Path(config.invocation_params.dir / text).absolute() for text in kept]
        for root in dict.fromkeys(roots):
            over = any(root.is_relative_to(path) and path.is_dir() for path in covered)
            if over and root not in pointed:
                whole.append(nodeid_of(root, config))
            elif not over:
                kept.append(str(root))
                whole += [] if root in pointed else [nodeid_of(root, config)]
        config.args[:] = kept
        return cls(tuple(wanted), tuple(whole))

    def wants(self, nodeid: str) -> bool:
        """True if an item is asked for."""
        exact = any(nodeid == w or nodeid.startswith((f"{w}::", f"{w}/")) for w in self.wanted)
        return exact or any(nodeid.startswith(f"{w}/") or w == "." for w in self.whole)
