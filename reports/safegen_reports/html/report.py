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
    Release,
    Run,
    Verdict,
    load_heatmap,
    read_scan,
    write_bytes,
    write_text,
)
from safegen_reports.html.dot_plots import dot_plots
from safegen_reports.html.images.slices import PICTURE_SIDE, Figure, write_colour_bar
from safegen_reports.html.index import (
    VERDICTS_WORST_FIRST,
    accounting,
    left_out_files,
    table_data,
    write_list_pages,
)
from safegen_reports.html.pages import LastScanCache, PageRenderer, PictureBudget, TargetPage
from safegen_reports.html.regressions import baseline_comparisons, new_failure_keys
from safegen_reports.html.targets import Target, collect_targets, worst_first, worst_targets_first

if TYPE_CHECKING:
    from pytest_safegen.api import Settings

MAX_CARDS = 12
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
    Verdict.WARN: "The release may go out, but look at the warnings.",
    Verdict.WAIVED: "The release may go out: people answer for what failed, see the waivers.",
    Verdict.INCONCLUSIVE: "The release must not go out: not everything could be judged.",
    Verdict.ERROR: "The release must not go out: something could not be read or measured.",
    Verdict.FAIL: "The release must not go out.",
}


@dataclass(frozen=True, slots=True)
class Card:
    """One of the worst findings, as the release page shows it."""

    finding: Finding
    target: Target
    figure: Figure | None


@dataclass(slots=True)
class WrittenPages:
    """What the release page needs of the pages that were written before it."""

    cards: list[Card] = field(default_factory=list)
    thumbnails: dict[str, str] = field(default_factory=dict)
    turned: dict[FindingKey, Figure | None] = field(default_factory=dict)
    left_out: int = 0

    def add(
        self, page: TargetPage, wanted: Sequence[Finding], turned: Container[tuple[str, str]]
    ) -> None:
        """Note one page; `turned` are the check and target of findings that once passed."""
        self.left_out += page.left_out
        if page.thumbnail:
            self.thumbnails[page.target.name] = page.thumbnail
        self.cards += [
            Card(shown.finding, page.target, shown.figure or page.figure)
            for shown in page.shown
            if shown.finding in wanted
        ]
        self.turned |= {
            key: shown.figure or page.figure
            for shown in page.shown
            if (key := (shown.finding.check, page.target.name)) in turned
        }


def write_report(run: Run, releases: Sequence[Release], folder: Path, settings: Settings) -> None:
    """Write `index.html`, the pages in `scans/` and `series/`, and what they show beside them."""
    environment = _environment(settings.viewer)
    _write_assets(folder, settings.viewer)
    rows = worst_targets_first(collect_targets(run, releases))
    written = _write_pages(run, rows, folder, environment, PictureBudget(settings.images))
    checks = dot_plots(run)
    names = [check.name for check in checks]
    lists = write_list_pages(rows, names, run, folder, environment)
    page = environment.get_template("index.html").render(
        **_template_context(run, releases),
        checks=checks,
        cards=sorted(written.cards, key=lambda card: -card.finding.verdict.rank),
        table=table_data(rows, names, written.thumbnails),
        pairs=baseline_comparisons(
            run, rows, written.turned, baseline=settings.baseline_report, folder=folder
        ),
        without_pictures=written.left_out,
        lists=lists,
        images=settings.images,
        pages={target.name: target.page for target in rows},
        root="",
    )
    write_text(folder / "index.html", page)


def format_number(value: float | int | None) -> str:
    """A number as people read it: three figures, thousands apart, "–" where there is none."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
    return text.replace("-", "−") if not text.startswith("0") else text


def format_time(text: str) -> str:
    """A time of ISO 8601 as people read it, in UTC; any other text as it is."""
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
    environment.filters |= {"number": format_number, "moment": format_time}
    environment.globals.update(
        symbols=VERDICT_SYMBOLS,
        verdicts=VERDICTS_WORST_FIRST,
        side=PICTURE_SIDE,
        kind_of_viewer=viewer,
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
    studio = PageRenderer(folder, LastScanCache(read_scan), load_heatmap, run, budget)
    template = environment.get_template("target.html")
    pages = {target.name: target.page for target in rows}
    series = {ref.target: row for row in rows if row.kind == "series" for ref in row.refs}
    wanted, turned = _worst_findings(run), new_failure_keys(run)
    written = WrittenPages()
    for place, target in enumerate(rows):
        page = studio.page(target)
        html = template.render(
            run=run,
            page=page,
            pages=pages,
            series=series.get(target.name),
            before=rows[place - 1] if place else None,
            after=rows[place + 1] if place + 1 < len(rows) else None,
            place=place + 1,
            count=len(rows),
            root="../",
        )
        write_text(folder / target.page, html, durable=False)
        written.add(page, wanted, turned)
    return written


def _worst_findings(run: Run) -> list[Finding]:
    bad = [each for each in run.findings if each.target and each.verdict is not Verdict.PASS]
    return worst_first(bad)[:MAX_CARDS]


def _template_context(run: Run, releases: Sequence[Release]) -> Mapping[str, Any]:
    return {
        "run": run,
        "meaning": VERDICT_MEANINGS[run.verdict],
        "steps": accounting(run),
        "scan_count": sum(len(release.refs) for release in releases),
        "series_count": run.counts.get("series", 0),
        "release_findings": worst_first([each for each in run.findings if not each.target]),
        "bad_count": sum(bool(each.target) and each.verdict.blocks for each in run.findings),
        "left_out": left_out_files(releases),
    }
