"""`safegen.tsv`: what the user says of the scans, instead of guesses.

Its first line names the columns, separated by tabs; only `path` is required. Empty cells and `n/a`
are unknown. Columns that are no part of a ScanRef are kept as labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from pytest_safegen.errors import UsageProblem

NAME = "safegen.tsv"
_BUILT_IN = ("path", "subject", "session", "months", "modality", "mask")


@dataclass(frozen=True, slots=True)
class Row:
    """One scan of a manifest; `cells` are the known cells by column, `line` counts from 1."""

    line: int
    path: str
    cells: Mapping[str, str]
    mask: str | None
    months: float | None

    @property
    def labels(self) -> dict[str, str]:
        """The cells that are no part of a ScanRef."""
        return {name: cell for name, cell in self.cells.items() if name not in _BUILT_IN}


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest with its columns and rows, in the order of the file."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_manifest(path: Path) -> Manifest:
    """Read `safegen.tsv`; UsageProblem, with the line, where it cannot be taken at its word."""
    lines = read_table(path)
    if not lines:
        raise UsageProblem(f"{path} is empty. Its first line must name the columns, such as path.")
    columns = tuple(lines[0][1])
    if "path" not in columns:
        raise UsageProblem(f"{path} has no column named path. Add one that names the scans.")
    rows = tuple(_row(path, line, columns, cells) for line, cells in lines[1:])
    _refuse_duplicates(path, rows)
    return Manifest(path, columns, rows)


def read_table(path: Path) -> list[tuple[int, list[str]]]:
    """The lines of a tab-separated file that are not blank, as (line number, cells), header first.

    Raises UsageProblem if it cannot be read, a line has another number of cells than the header,
    or a column is named twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageProblem(f"{path} cannot be read as text in UTF-8: {problem}.") from problem
    split = [[cell.strip() for cell in line.split("\t")] for line in text.split("\n")]
    lines = [(number, cells) for number, cells in enumerate(split, start=1) if any(cells)]
    for number, cells in lines:
        if len(cells) != len(lines[0][1]):
            raise UsageProblem(
                f"{path}, line {number}: {len(cells)} cells where the first line has "
                f"{len(lines[0][1])}. Separate cells by one tab each, and write n/a if unknown."
            )
    if lines and len(set(lines[0][1])) < len(lines[0][1]):
        raise UsageProblem(f"{path} names a column twice. Rename one of them.")
    return lines


def number_in(cell: str, where: str) -> float:
    """A finite number; `where` begins the UsageProblem that is raised otherwise."""
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageProblem(f"{where}: {cell!r} is not a number. Write n/a if it is unknown.")
    return number


def known(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """The cells by column, without those that are empty or n/a."""
    pairs = zip(columns, cells, strict=True)
    return {column: cell for column, cell in pairs if cell.lower() not in ("", "n/a")}


def _row(path: Path, line: int, columns: Sequence[str], cells: Sequence[str]) -> Row:
    found = known(columns, cells)
    where = f"{path}, line {line}"
    if "path" not in found:
        raise UsageProblem(f"{where}: there is no path. Name a scan or delete the line.")
    months = number_in(found["months"], f"{where}, months") if "months" in found else None
    mask = _inside(found["mask"], where) if "mask" in found else None
    return Row(line, _inside(found["path"], where), found, mask, months)


def _inside(cell: str, where: str) -> str:
    """A path relative to the data root, in its plain form."""
    path = PurePosixPath(cell)
    outside = path.is_absolute() or PureWindowsPath(cell).anchor or ".." in path.parts
    if outside or not path.parts or "\0" in cell:
        raise UsageProblem(
            f"{where}: {cell!r} does not lead to something inside the data folder. "
            "Write paths relative to it, without '..'."
        )
    return path.as_posix()


def _refuse_duplicates(path: Path, rows: Sequence[Row]) -> None:
    lines: dict[str, int] = {}
    for row in rows:
        if row.path in lines:
            raise UsageProblem(
                f"{path}, line {row.line}: {row.path!r} is already on line {lines[row.path]}. "
                "List each scan once."
            )
        lines[row.path] = row.line
