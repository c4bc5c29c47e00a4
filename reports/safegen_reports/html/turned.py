"""Scans that turned from passing to failing, with the pictures of both runs where there are any."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_safegen.api import Run, SafegenError, load_run
from safegen_reports.html.pictures import Figure
from safegen_reports.html.planes import PLANES
from safegen_reports.html.targets import Target

MOST_PAIRS = 12
LARGEST_PICTURE = 2_000_000
"""Bytes; a picture of a report has some 50,000."""

FOLDER = "images/baseline"
NOT_GIVEN = "The baseline's report was not given (--safegen-baseline-report)."


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of the baseline's report, as paths in this one."""

    plane: str
    base: str
    overlay: str | None


@dataclass(frozen=True, slots=True)
class Pair:
    """One finding that turned: its pictures in the baseline and now; either may be missing.

    `missing` says why there are none of the baseline.
    """

    check: str
    target: Target
    before: str
    after: str
    reason: str
    then: tuple[Slice, ...]
    now: Figure | None
    missing: str = ""


def turned_keys(run: Run) -> list[tuple[str, str]]:
    """Check and target of the findings that turned, as many as are shown with pictures."""
    return [(one["check"], one["target"]) for one in _turned(run)][:MOST_PAIRS]


def pairs_of(
    run: Run,
    rows: Sequence[Target],
    figures: Mapping[tuple[str, str], Figure | None],
    *,
    baseline: Path | None,
    folder: Path,
) -> list[Pair]:
    """The findings that turned, with pictures copied from the baseline's report.

    `figures` are those of this run by check and target. Pictures are taken from a folder only if
    it holds the very run that was compared with.
    """
    targets = {target.name: target for target in rows}
    why = _why_not(run, baseline)
    found = []
    for one in _turned(run)[:MOST_PAIRS]:
        target = targets.get(one["target"])
        if target is None:
            continue
        then = () if why or baseline is None else tuple(_copied(baseline, target, folder))
        key = (one["check"], target.name)
        missing = why or ("" if then else "The baseline's report has no picture of this scan.")
        found.append(
            Pair(
                one["check"],
                target,
                one["before"],
                one["after"],
                _reason(target, one["check"]),
                then,
                figures.get(key),
                missing,
            )
        )
    return found


def _turned(run: Run) -> list[dict[str, Any]]:
    found = run.regression.get("turned", ())
    return [one for one in found if isinstance(one, dict)]


def _why_not(run: Run, baseline: Path | None) -> str:
    """Why there are no pictures of the baseline, "" if there may be."""
    if baseline is None:
        return NOT_GIVEN
    try:
        there = load_run(baseline).id
    except SafegenError as problem:
        return str(problem)
    wanted = run.regression.get("baseline", {}).get("run")
    return "" if there == wanted else f"{baseline} holds another run than the baseline."


def _copied(baseline: Path, target: Target, folder: Path) -> Iterator[Slice]:
    """The slices of a target's worst finding in the baseline's report, or those of its middle."""
    stems = [f"{target.stem}-{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 0)]
    planes = [plane.name for plane in PLANES]
    for stem in stems:
        names = [f"{stem}-{plane}.png" for plane in planes]
        if all(_usable(baseline / "images" / name) for name in names):
            for plane, name in zip(planes, names, strict=True):
                over = f"{stem}-{plane}-heat.png"
                drawn = _usable(baseline / "images" / over)
                heat = _copy(baseline, over, folder) if drawn else None
                yield Slice(plane, _copy(baseline, name, folder), heat)
            return


def _usable(path: Path) -> bool:
    """True for a file of a picture's size that is no link to elsewhere."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return path.stat().st_size <= LARGEST_PICTURE and file.read(8) == b"\x89PNG\r\n\x1a\n"


def _copy(baseline: Path, name: str, folder: Path) -> str:
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(baseline / "images" / name, folder / FOLDER / name)
    return f"{FOLDER}/{name}"


def _reason(target: Target, check: str) -> str:
    return next((f.reason for f in target.findings if f.check == check), "")
