"""Writes the whole report; one scan is in memory at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pytest_safegen import Finding, Release, Run, Verdict
from pytest_safegen.readers import read
from pytest_safegen.store import load_heatmap
from safegen_reports.html.files import write_bytes, write_text
from safegen_reports.html.pages import LastRead, Page, Studio
from safegen_reports.html.pictures import SIDE, Figure, write_scale
from safegen_reports.html.summary import BADNESS, accounting, check_summaries, left_out, table
from safegen_reports.html.targets import Target, targets, worst_first

MOST_CARDS = 12
ASSETS = Path(__file__).parent / "assets"
SYMBOLS = {
    Verdict.PASS: "✓",
    Verdict.WARN: "!",
    Verdict.INCONCLUSIVE: "?",
    Verdict.ERROR: "⚠",
    Verdict.FAIL: "✕",
}
MEANINGS = {
    Verdict.PASS: "The release may go out.",
    Verdict.WARN: "The release may go out, but look at the warnings.",
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


def write(run: Run, releases: Sequence[Release], folder: Path) -> None:
    """Write `index.html`, the pages in `scans/` and `series/`, `images/` and `assets/`."""
    environment = _environment()
    _write_assets(folder)
    rows = targets(run, releases)
    cards = _write_pages(run, rows, folder, environment)
    context = _index_context(run, releases, rows)
    page = environment.get_template("index.html").render(**context, cards=cards, root="")
    write_text(folder / "index.html", page)


def number(value: float | int | None) -> str:
    """A number as people read it: three figures, thousands apart, "–" where there is none."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
    return text.replace("-", "−") if not text.startswith("0") else text


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("safegen_reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.globals.update(symbols=SYMBOLS, verdicts=BADNESS, side=SIDE)
    return environment


def _write_assets(folder: Path) -> None:
    for asset in sorted(ASSETS.iterdir()):
        write_bytes(folder / "assets" / asset.name, asset.read_bytes())
    write_scale(folder)


def _write_pages(
    run: Run, rows: Sequence[Target], folder: Path, environment: Environment
) -> list[Card]:
    """Write a page a target; gives back the cards of the worst findings, worst first."""
    studio = Studio(folder, LastRead(read), load_heatmap, run.calibrations)
    template = environment.get_template("target.html")
    pages = {target.name: target.page for target in rows}
    series = {ref.target: row for row in rows if row.kind == "series" for ref in row.refs}
    wanted = _worst(run)
    cards: list[Card] = []
    for target in rows:
        page = studio.page(target)
        html = template.render(
            run=run, page=page, pages=pages, series=series.get(target.name), root="../"
        )
        write_text(folder / target.page, html)
        cards += _cards(page, wanted)
    return sorted(cards, key=lambda card: wanted.index(card.finding))


def _worst(run: Run) -> list[Finding]:
    bad = [each for each in run.findings if each.target and each.verdict is not Verdict.PASS]
    return worst_first(bad)[:MOST_CARDS]


def _cards(page: Page, wanted: Sequence[Finding]) -> list[Card]:
    return [
        Card(shown.finding, page.target, shown.figure or page.figure)
        for shown in page.shown
        if shown.finding in wanted
    ]


def _index_context(
    run: Run, releases: Sequence[Release], rows: Sequence[Target]
) -> Mapping[str, Any]:
    checks = check_summaries(run)
    judged = {finding.check for row in rows for finding in row.findings}
    return {
        "run": run,
        "meaning": MEANINGS[run.verdict],
        "steps": accounting(run),
        "scan_count": sum(len(release.refs) for release in releases),
        "series_count": run.counts.get("series", 0),
        "checks": checks,
        "release_findings": worst_first([each for each in run.findings if not each.target]),
        "bad_count": sum(bool(each.target) and each.verdict.blocks for each in run.findings),
        "left_out": left_out(releases),
        "table": table(rows, [check.name for check in checks if check.name in judged]),
    }
