"""Columns of the manifest that name a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from pytest_safegen.api import ReadError

if TYPE_CHECKING:
    from pytest_safegen.api import ScanRef


def named_by(ref: ScanRef, column: str) -> ScanRef:
    """The file that a scan's column names, relative to the data root and inside of it.

    Raises:
        ReadError: the column leads elsewhere.
    """
    told = ref.labels[column].strip()
    name = PurePosixPath(told)
    if name.is_absolute() or PureWindowsPath(told).anchor or ".." in name.parts or "\0" in told:
        raise ReadError(
            f"{told!r} does not lead to something inside the data folder. Write the path relative "
            "to it, without '..'."
        )
    root = ref.path.parents[len(PurePosixPath(ref.target).parts) - 1]
    return replace(ref, path=root / name, target=name.as_posix(), mask=None)
