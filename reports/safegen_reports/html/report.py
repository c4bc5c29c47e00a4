"""Write the HTML report: the index, a page per target and the assets.

Only one scan is in memory at a time.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pytest_safegen.api import (
    Finding,
    MeasureLimits,
    Release,
    Run,
    Verdict,
    load_heatmap,
    read_scan,
    write_bytes,
    write_text,
)
from safegen_reports.findings import explanation_of, headline_of, worst_first
from safegen_reports.html.dot_plots import dot_plots
from safegen_reports.html.images.slices import PICTURE_SIDE, Figure, write_colour_bar
from safegen_reports.html.index import (
    VERDICTS_WORST_FIRST,
    accounting,
    card_findings,
    left_out_files,
    shared_headlines,
    table_data,
    write_list_pages,
)
from safegen_reports.html.regressions import new_failure_keys, new_failure_records, new_failures
from safegen_reports.html.scan_pages import LastScanCache, PageRenderer, TargetPage, finding_section
from safegen_reports.html.targets import PictureBudget, Target, collect_targets, worst_targets_first
from safegen_reports.limits import SCORE, finite_limit, limit_rows

if TYPE_CHECKING:
    from pytest_safegen.api import Settings

FindingKey = tuple[str, str]  # a finding's check and target
ASSETS = Path(__file__).parent / "assets"
NIIVUE = "niivue.umd.js"
VERDICT_SYMBOLS = {
    Verdict.PASS: "✓",
    Verdict.WARN: "!",
    Verdict.WAIVED: "≈",
    Verdict.INCONCLUSIVE: "?",
    Verdict.ERROR: "⚠",
    Verdict.FAIL: "✕",
}
VERDICT_MEANINGS = {
    Verdict.PASS: "The release may go out.",
    Verdict.WARN: "The release may go out; check the warnings.",
    Verdict.WAIVED: "The release may go out: every failure was reviewed and waived.",
    Verdict.INCONCLUSIVE: "The release must not go out: not everything could be judged.",
    Verdict.ERROR: "The release must not go out: something could not be read or measured.",
    Verdict.FAIL: "The release must not go out.",
}


@dataclass(frozen=True, slots=True)
class Card:
    """One of the worst findings, as the index shows it."""

    finding: Finding
    target: Target
    figure: Figure | None


@dataclass(slots=True)
class WrittenPages:
    """What the index needs of the pages that were written before it."""

    cards: list[Card] = field(default_factory=list)
    thumbnails: dict[str, str] = field(default_factory=dict)
    new_failures: dict[FindingKey, Figure | None] = field(default_factory=dict)
    left_out: int = 0

    def add(
        self, page: TargetPage, wanted: Sequence[Finding], new_failures: Container[FindingKey]
    ) -> None:
        """Note one page: its cards among the wanted findings, and its new failures."""
        self.left_out += page.left_out
        if page.thumbnail:
            self.thumbnails[page.target.name] = page.thumbnail
        self.cards += [
            Card(section.finding, page.target, section.figure or page.figure)
            for section in page.sections
            if section.finding in wanted
        ]
        self.new_failures |= {
            key: section.figure or page.figure
            for section in page.sections
            if (key := (section.finding.check, page.target.name)) in new_failures
        }


def write_report(run: Run, releases: Sequence[Release], folder: Path, settings: Settings) -> None:
    """Write `index.html`, the pages in `scans/` and `series/`, and what they show beside them."""
    environment = _environment(settings.viewer)
    _write_assets(folder, settings.viewer)
    rows = worst_targets_first(collect_targets(run, releases))
    written = _write_pages(run, rows, folder, environment, PictureBudget(settings.picture_budget))
    plots = dot_plots(run)
    names = list(dict.fromkeys(plot.check for plot in plots))
    lists = write_list_pages(rows, names, run, folder, environment)
    page = environment.get_template("index.html").render(
        **_template_context(run, releases),
        plots=plots,
        checks=names,
        cards=sorted(written.cards, key=lambda card: -card.finding.verdict.rank),
        shared=shared_headlines(run.findings),
        table=table_data(rows, names, written.thumbnails),
        new_failures=new_failures(
            run, rows, written.new_failures, baseline=settings.baseline_report, folder=folder
        ),
        failure_records=new_failure_records(run),
        without_pictures=written.left_out,
        lists=lists,
        images=settings.picture_budget,
        pages={target.name: target.page for target in rows},
        root="",
    )
    write_text(folder / "index.html", page)


def format_number(value: float | int | None) -> str:
    """A number for people: three significant digits, thousands separated, "–" for None."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
    return text.replace("-", "−") if not text.startswith("0") else text


def format_limits(limits: MeasureLimits, outcome: str) -> str:
    """Where a number fails ("fail") or warns ("warn"): "> 2", "< 0.5", both, or "–"."""
    above, below = (finite_limit(limits, f"{outcome}_{side}") for side in ("above", "below"))
    parts = [] if below is None else [f"< {format_number(below)}"]
    parts += [] if above is None else [f"> {format_number(above)}"]
    return " or ".join(parts) or "–"


def format_time(text: str) -> str:
    """An ISO 8601 time for people, in UTC; any other text unchanged."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if time.tzinfo else text


def _environment(viewer: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("safegen_reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": format_number,
        "time": format_time,
        "limit": format_limits,
        "headline": headline_of,
        "explanation": explanation_of,
    }
    environment.globals.update(
        symbols=VERDICT_SYMBOLS,
        verdicts=VERDICTS_WORST_FIRST,
        side=PICTURE_SIDE,
        viewer_kind=viewer,
    )
    return environment


def _write_assets(folder: Path, viewer: str) -> None:
    for asset in sorted(ASSETS.iterdir()):
        if asset.is_file() and (viewer == "niivue" or not asset.name.startswith("niivue")):
            write_bytes(folder / "assets" / asset.name, asset.read_bytes())
    write_colour_bar(folder)


def _write_pages(
    run: Run, rows: Sequence[Target], folder: Path, environment: Environment, budget: PictureBudget
) -> WrittenPages:
    """Write a page a target, worst first, each with links to the one before and after it."""
    renderer = PageRenderer(run, folder, LastScanCache(read_scan), load_heatmap, budget)
    template = environment.get_template("target.html")
    pages = {target.name: target.page for target in rows}
    series = {ref.target: row for row in rows if row.kind == "series" for ref in row.refs}
    wanted, failures = card_findings(run.findings), new_failure_keys(run)
    written = WrittenPages()
    for index, target in enumerate(rows):
        page = renderer.page(target)
        html = template.render(
            run=run,
            page=page,
            pages=pages,
            series=series.get(target.name),
            previous=rows[index - 1] if index else None,
            following=rows[index + 1] if index + 1 < len(rows) else None,
            position=index + 1,
            count=len(rows),
            root="../",
        )
        write_text(folder / target.page, html, durable=False)
        written.add(page, wanted, failures)
    return written


def _template_context(run: Run, releases: Sequence[Release]) -> Mapping[str, Any]:
    limits = limit_rows(run)
    return {
        "score_limits": [row for row in limits if row.measure == SCORE],
        "measure_limits": [row for row in limits if row.measure != SCORE],
        "run": run,
        "meaning": VERDICT_MEANINGS[run.verdict],
        "steps": accounting(run),
        "scan_count": sum(len(release.refs) for release in releases),
        "series_count": run.counts.get("series", 0),
        "release_sections": [
            finding_section(run, each)
            for each in worst_first(each for each in run.findings if not each.target)
        ],
        "bad_count": sum(bool(each.target) and each.verdict.blocks for each in run.findings),
        "left_out": left_out_files(releases),
    }
