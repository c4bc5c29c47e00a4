"""New failures since the baseline, with the pictures of both runs where they exist."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_safegen.api import Run, SafegenError, load_run
from safegen_reports.html.images.geometry import PLANES
from safegen_reports.html.images.slices import Figure
from safegen_reports.html.targets import Target

MAX_COMPARISONS = 12
MAX_PICTURE_BYTES = 2_000_000
"""Bytes; a picture of a report has some 50,000."""

BASELINE_FOLDER = "images/baseline"
NO_BASELINE_REPORT = "The baseline's report was not given (--safegen-baseline-report)."


@dataclass(frozen=True, slots=True)
class BaselineSlice:
    """One slice of the baseline's report, as paths in this one."""

    plane: str
    base: str
    overlay: str | None


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """One finding that turned: its pictures in the baseline and now; either may be missing.

    `missing` says why there are none of the baseline.
    """

    check: str
    target: Target
    before: str
    after: str
    reason: str
    then: tuple[BaselineSlice, ...]
    now: Figure | None
    missing: str = ""


def new_failure_keys(run: Run) -> list[tuple[str, str]]:
    """Check and target of the findings that turned, as many as are shown with pictures."""
    return [(one["check"], one["target"]) for one in _new_failures(run)][:MAX_COMPARISONS]


def baseline_comparisons(
    run: Run,
    rows: Sequence[Target],
    figures: Mapping[tuple[str, str], Figure | None],
    *,
    baseline: Path | None,
    folder: Path,
) -> list[BaselineComparison]:
    """The findings that turned, with pictures copied from the baseline's report.

    `figures` are those of this run by check and target. Pictures are taken from a folder only if
    it holds the very run that was compared with.
    """
    targets = {target.name: target for target in rows}
    why = _unavailable_reason(run, baseline)
    found = []
    for one in _new_failures(run)[:MAX_COMPARISONS]:
        target = targets.get(one["target"])
        if target is None:
            continue
        then = () if why or baseline is None else tuple(_copy_slices(baseline, target, folder))
        key = (one["check"], target.name)
        missing = why or ("" if then else "The baseline's report has no picture of this scan.")
        found.append(
            BaselineComparison(
                one["check"],
                target,
                one["before"],
                one["after"],
                _finding_reason(target, one["check"]),
                then,
                figures.get(key),
                missing,
            )
        )
    return found


def _new_failures(run: Run) -> list[dict[str, Any]]:
    found = run.regression.get("new_failures", ())
    return [one for one in found if isinstance(one, dict)]


def _unavailable_reason(run: Run, baseline: Path | None) -> str:
    """Why there are no pictures of the baseline, "" if there may be."""
    if baseline is None:
        return NO_BASELINE_REPORT
    try:
        there = load_run(baseline).id
    except SafegenError as problem:
        return str(problem)
    wanted = run.regression.get("baseline", {}).get("run")
    return "" if there == wanted else f"{baseline} holds another run than the baseline."


def _copy_slices(baseline: Path, target: Target, folder: Path) -> Iterator[BaselineSlice]:
    """The slices of a target's worst finding in the baseline's report, or those of its middle."""
    stems = [f"{target.stem}-{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 0)]
    planes = [plane.name for plane in PLANES]
    for stem in stems:
        names = [f"{stem}-{plane}.png" for plane in planes]
        if all(_is_safe_png(baseline / "images" / name) for name in names):
            for plane, name in zip(planes, names, strict=True):
                over = f"{stem}-{plane}-heat.png"
                drawn = _is_safe_png(baseline / "images" / over)
                heat = _copy_picture(baseline, over, folder) if drawn else None
                yield BaselineSlice(plane, _copy_picture(baseline, name, folder), heat)
            return


def _is_safe_png(path: Path) -> bool:
    """True for a file of a picture's size that is no link to elsewhere."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return path.stat().st_size <= MAX_PICTURE_BYTES and file.read(8) == b"\x89PNG\r\n\x1a\n"


def _copy_picture(baseline: Path, name: str, folder: Path) -> str:
    (folder / BASELINE_FOLDER).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(baseline / "images" / name, folder / BASELINE_FOLDER / name)
    return f"{BASELINE_FOLDER}/{name}"


def _finding_reason(target: Target, check: str) -> str:
    return next((f.reason for f in target.findings if f.check == check), "")
