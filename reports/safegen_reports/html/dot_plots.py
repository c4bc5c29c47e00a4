"""Dot plot of a check: a dot per finding above a histogram of the calibration scores.

Dots with similar scores are stacked. All dots of one verdict are one SVG path, so that a
browser draws ten thousand of them quickly.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.api import Calibration, Finding, Run, Verdict, calibration_of
from safegen_reports.findings import headline_of, worst_first
from safegen_reports.html.charts import (
    Axis,
    AxisPosition,
    Bar,
    bin_scores,
    finite_or_none,
    finite_values,
    fit_axis,
    histogram_bars,
)

LEFT, RIGHT, TOP, FLOOR, BOTTOM = 12.0, 748.0, 22.0, 92.0, 128.0
"""Dots are stacked on the floor; the bars of real scans hang below it, in 760 by 156 units."""
DOT_SIZES = (10.0, 8.0, 6.0, 4.0)
MAX_TOOLTIPS = 200
"""Dots with a tooltip, the worst first: an element each, so that the page stays quick."""


@dataclass(frozen=True, slots=True)
class DotPath:
    """The dots of one verdict, as the data of a path whose every subpath is a point."""

    verdict: Verdict
    path: str
    count: int


@dataclass(frozen=True, slots=True)
class PlacedDot:
    """Where the dot of a finding is."""

    x: float
    y: float
    finding: Finding


@dataclass(frozen=True, slots=True)
class Tooltip:
    """The text of one dot: its target, and what is wrong with it."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class DotPlot:
    """One check in one modality: verdicts, dots, the real scans' scores, and the limits.

    `modality` is "" where the check is calibrated once for all scans, and `common_headline` is the
    headline that all findings share, if there is one.
    """

    check: str
    modality: str
    counts: Mapping[Verdict, int]
    dots: tuple[DotPath, ...]
    tooltips: tuple[Tooltip, ...]
    bars: tuple[Bar, ...]
    ticks: tuple[AxisPosition, ...]
    limit: AxisPosition | None
    warn_limit: AxisPosition | None
    source: str
    calibration_count: int
    dot_size: float
    off_scale: int
    unscored: int
    common_headline: str = ""

    @property
    def title(self) -> str:
        """The check, with the modality where there are several."""
        return f"{self.check}, {self.modality}" if self.modality else self.check

    @property
    def total(self) -> int:
        """How many findings the check has."""
        return sum(self.counts.values())


def dot_plots(run: Run) -> list[DotPlot]:
    """A plot for each check of scans or series, and each modality that has its own limit."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in run.findings:
        if finding.target:
            several = len(run.calibrations.get(finding.check, {})) > 1
            modality = finding.modality if several else ""
            groups.setdefault((finding.check, modality), []).append(finding)
    in_order = {check: None for check, _ in groups}
    return [
        _dot_plot(check, modality, group, calibration_of(run, check, modality) or Calibration(()))
        for name in in_order
        for (check, modality), group in groups.items()
        if check == name
    ]


def _dot_plot(
    check: str, modality: str, findings: Sequence[Finding], calibration: Calibration
) -> DotPlot:
    real = finite_values(calibration.scores)
    scored = [each for each in worst_first(findings) if finite_or_none(each.score) is not None]
    scores = [float(each.score or 0.0) for each in scored]
    limit, warn = (
        _common_limit(findings, calibration),
        finite_or_none(calibration.warn_limit),
    )
    fixed = [value for value in (limit, warn) if value is not None]
    fixed += [float(real.min()), float(real.max())] if real.size else []
    axis = fit_axis(fixed or scores or [0.0], scores or [0.0], left=LEFT, right=RIGHT)
    size, placed = _stack_dots(scored, axis)
    return DotPlot(
        check=check,
        modality=modality,
        counts=Counter(finding.verdict for finding in findings),
        dots=_dot_paths(placed),
        tooltips=_tooltips(placed),
        bars=_calibration_bars(real, axis) if real.size else (),
        ticks=axis.ticks,
        limit=axis.optional(limit),
        warn_limit=axis.optional(warn),
        source=calibration.source,
        calibration_count=int(real.size),
        dot_size=size,
        off_scale=sum(axis.mark(score).clipped for score in scores),
        unscored=len(findings) - len(scored),
        common_headline=_common_headline(findings),
    )


def _common_headline(findings: Sequence[Finding]) -> str:
    headlines = {headline_of(finding) for finding in findings}
    return headlines.pop() if len(headlines) == 1 else ""


def _common_limit(findings: Sequence[Finding], calibration: Calibration) -> float | None:
    """The limit that all findings share, else that of the calibration."""
    limits = {each.threshold for each in findings if each.threshold is not None}
    return finite_or_none(limits.pop() if len(limits) == 1 else calibration.limit)


def _stack_dots(findings: Sequence[Finding], axis: Axis) -> tuple[float, list[PlacedDot]]:
    """Dots on top of each other where they would overlap, as large as the stacks allow.

    The worst stand lowest; stacks that are too high for the smallest size overlap.
    """
    xs = [axis.mark(float(finding.score or 0.0)).x for finding in findings]
    size = next(
        (size for size in DOT_SIZES if _tallest_stack(xs, size) * size <= FLOOR - TOP),
        DOT_SIZES[-1],
    )
    step = min(size, (FLOOR - TOP) / max(_tallest_stack(xs, size), 1))
    rows: Counter[int] = Counter()
    placed = []
    for x, finding in zip(xs, findings, strict=True):
        column = _stack_column(x, size)
        y = FLOOR - size / 2 - 1 - rows[column] * step
        placed.append(PlacedDot(round(LEFT + column * size, 1), round(y, 1), finding))
        rows[column] += 1
    return size, placed


def _stack_column(x: float, size: float) -> int:
    return round((x - LEFT) / size)


def _tallest_stack(xs: Sequence[float], size: float) -> int:
    return max(Counter(_stack_column(x, size) for x in xs).values(), default=0)


def _dot_paths(placed: Sequence[PlacedDot]) -> tuple[DotPath, ...]:
    groups: dict[Verdict, list[PlacedDot]] = defaultdict(list)
    for dot in placed:
        groups[dot.finding.verdict].append(dot)
    return tuple(
        DotPath(verdict, "".join(f"M{dot.x:g} {dot.y:g}h0" for dot in groups[verdict]), len(group))
        for verdict, group in sorted(groups.items(), key=lambda pair: pair[0].rank)
    )


def _tooltips(placed: Sequence[PlacedDot]) -> tuple[Tooltip, ...]:
    """The tooltips of the worst dots; the dots come worst first."""
    bad = [dot for dot in placed if dot.finding.verdict is not Verdict.PASS]
    return tuple(
        Tooltip(dot.x, dot.y, f"{dot.finding.target}: {headline_of(dot.finding)}")
        for dot in bad[:MAX_TOOLTIPS]
    )


def _calibration_bars(real: NDArray[np.float64], axis: Axis) -> tuple[Bar, ...]:
    """The histogram of real scans, upside down below the floor."""
    standing = histogram_bars(*bin_scores(real, axis), axis, top=FLOOR, bottom=BOTTOM)
    return tuple(Bar(bar.x, FLOOR, bar.width, bar.height, bar.count) for bar in standing)
