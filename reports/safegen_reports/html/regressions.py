"""New failures since the baseline, with the pictures of both runs where they exist."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_safegen.api import Run, SafegenError, load_run
from safegen_reports.findings import explanation_of, headline_of
from safegen_reports.html.images.geometry import PLANES
from safegen_reports.html.images.slices import Figure
from safegen_reports.html.targets import Target

MAX_COMPARISONS = 12
MAX_PICTURE_BYTES = 2_000_000
"""The largest file that is copied; a picture of a report has about 50 kB."""

BASELINE_FOLDER = "images/baseline"
NO_PICTURE = "The baseline's report has no picture of this scan."
NO_BASELINE_REPORT = "No report of the baseline was given (--safegen-baseline-report)."


@dataclass(frozen=True, slots=True)
class BaselineSlice:
    """One slice of the baseline's report, as paths in this one."""

    plane: str
    base: str
    overlay: str | None


@dataclass(frozen=True, slots=True)
class NewFailure:
    """A finding that passed in the baseline and blocks now, with the pictures of both runs.

    `missing` is the reason why there are no pictures of the baseline.
    """

    check: str
    target: Target
    before: str
    after: str
    headline: str
    explanation: str
    slices_before: tuple[BaselineSlice, ...]
    figure_after: Figure | None
    missing: str = ""


def new_failure_keys(run: Run) -> list[tuple[str, str]]:
    """Check and target of the new failures that are shown with pictures."""
    return [(one["check"], one["target"]) for one in new_failure_records(run)][:MAX_COMPARISONS]


def new_failures(
    run: Run,
    rows: Sequence[Target],
    figures: Mapping[tuple[str, str], Figure | None],
    *,
    baseline: Path | None,
    folder: Path,
) -> list[NewFailure]:
    """The new failures, with pictures copied from the baseline's report.

    `figures` are those of this run by check and target. Pictures are copied only from the report
    of the very run that this one was compared with.
    """
    targets = {target.name: target for target in rows}
    unavailable = _unavailable_reason(run, baseline)
    copied = None if unavailable else baseline
    return [
        _new_failure(one, target, figures, copied, folder, unavailable)
        for one in new_failure_records(run)[:MAX_COMPARISONS]
        if (target := targets.get(one["target"])) is not None
    ]


def _new_failure(
    one: Mapping[str, Any],
    target: Target,
    figures: Mapping[tuple[str, str], Figure | None],
    baseline: Path | None,
    folder: Path,
    unavailable: str,
) -> NewFailure:
    slices = tuple(_copy_slices(baseline, target, folder)) if baseline else ()
    finding = next((each for each in target.findings if each.check == one["check"]), None)
    return NewFailure(
        check=one["check"],
        target=target,
        before=one["before"],
        after=one["after"],
        headline=headline_of(finding) if finding else "",
        explanation=explanation_of(finding) if finding else "",
        slices_before=slices,
        figure_after=figures.get((one["check"], target.name)),
        missing=unavailable or ("" if slices else NO_PICTURE),
    )


def new_failure_records(run: Run) -> list[dict[str, Any]]:
    """All new failures as the comparison states them: check, target, before, after."""
    found = run.regression.get("new_failures", ())
    return [one for one in found if isinstance(one, dict)]


def _unavailable_reason(run: Run, baseline: Path | None) -> str:
    """Why no pictures of the baseline can be shown, "" if they can."""
    if baseline is None:
        return NO_BASELINE_REPORT
    try:
        found = load_run(baseline).id
    except SafegenError as problem:
        return str(problem)
    expected = run.regression.get("baseline", {}).get("run")
    return "" if found == expected else f"{baseline} is the report of another run."


def _copy_slices(baseline: Path, target: Target, folder: Path) -> Iterator[BaselineSlice]:
    """The slices of a target's worst finding in the baseline's report, or those of its middle."""
    stems = [f"{target.stem}-{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 0)]
    planes = [plane.name for plane in PLANES]
    for stem in stems:
        names = [f"{stem}-{plane}.png" for plane in planes]
        if all(_is_safe_png(baseline / "images" / name) for name in names):
            for plane, name in zip(planes, names, strict=True):
                overlay = f"{stem}-{plane}-heatmap.png"
                drawn = _is_safe_png(baseline / "images" / overlay)
                copied = _copy_picture(baseline, overlay, folder) if drawn else None
                yield BaselineSlice(plane, _copy_picture(baseline, name, folder), copied)
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
