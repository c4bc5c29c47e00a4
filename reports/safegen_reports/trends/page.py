"""The trends page: one offline HTML file with a chart, drawn as SVG, for each trend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_safegen.api import Run, write_text
from safegen_reports.trends.statistics import Trend, TrendPoint, run_trends

WIDTH, HEIGHT, MARGIN = 640.0, 150.0, 14.0


@dataclass(frozen=True, slots=True)
class PlottedPoint:
    """A point as it is drawn, in pixels, with what it says when it is pointed at."""

    x: float
    y: float
    low: float
    high: float
    verdict: str
    message: str


@dataclass(frozen=True, slots=True)
class TrendChart:
    """One trend as it is drawn; `line` is the path through its marks."""

    trend: Trend
    marks: tuple[PlottedPoint, ...]
    line: str
    top: str
    bottom: str


def write_trends(runs: Sequence[Run], file: Path) -> None:
    """Write the page for some runs, in the order of time."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("safegen_reports.trends"), autoescape=True, undefined=StrictUndefined
    )
    css = Path(__file__).with_name("assets") / "trends.css"
    charts = [draw_trend(trend) for trend in run_trends(runs)]
    page = environment.get_template("trends.html").render(
        runs=runs, charts=charts, css=css.read_text(encoding="utf-8"), width=WIDTH, height=HEIGHT
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, page)


def draw_trend(trend: Trend) -> TrendChart:
    """The places of a trend's points; the axis spans all intervals."""
    known = [point for point in trend.points if point]
    bottom, top = min(p.low for p in known), max(p.high for p in known)
    marks = tuple(_plotted_points(trend, bottom, top))
    line = " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in marks)
    return TrendChart(trend, marks, line, f"{top:.4g}", f"{bottom:.4g}")


def _plotted_points(trend: Trend, bottom: float, top: float) -> Iterator[PlottedPoint]:
    step = (WIDTH - 2 * MARGIN) / max(1, len(trend.points) - 1)
    for place, point in enumerate(trend.points):
        if point:
            x = MARGIN + place * step if len(trend.points) > 1 else WIDTH / 2
            y, low, high = (_y_pixel(v, bottom, top) for v in (point.value, point.low, point.high))
            yield PlottedPoint(x, y, low, high, str(point.run.verdict), _tooltip(point))


def _y_pixel(value: float, bottom: float, top: float) -> float:
    if top == bottom:
        return HEIGHT / 2
    return HEIGHT - MARGIN - (value - bottom) / (top - bottom) * (HEIGHT - 2 * MARGIN)


def _tooltip(point: TrendPoint) -> str:
    run = point.run
    name = "@".join(part for part in (run.generator, run.version) if part) or run.id[:8]
    return (
        f"{name}, {run.created}: {point.value:.4g} ({point.low:.4g} to {point.high:.4g}) "
        f"of {point.n}; {run.verdict}"
    )
