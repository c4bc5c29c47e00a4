"""Write a reader study: pictures under random names, a page per reader, and the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from pytest_safegen.api import (
    Heatmap,
    UsageProblem,
    load_heatmap,
    read_scan,
    write_bytes,
    write_text,
)
from safegen_reports.html.images.slices import Figure, draw_figure, write_colour_bar
from safegen_reports.reader_study.design import (
    SampledScan,
    StudyPlan,
    crossover_orders,
    random_token,
    sample_scans,
)
from safegen_reports.reader_study.readings import StudyKey, Trial, key_to_json

ASSETS = Path(__file__).parent / "assets"


def create_study(plan: StudyPlan, output: Path) -> StudyKey:
    """Write `pages/` for the readers and `key.json` for the organiser; the key.

    Raises:
        UsageProblem: too few scans, a scan without a heatmap, or a folder that is not empty.
    """
    if output.exists() and any(output.iterdir()):
        raise UsageProblem(f"The folder {output} is not empty; give a new one.")
    if plan.scans < 1 or plan.readers < 1:
        raise UsageProblem("A study needs at least one scan of each kind and one reader.")
    random = np.random.default_rng(plan.seed)
    chosen = sample_scans(plan, random)
    with_heatmaps = chosen[0].heatmap is not None
    cases = tuple(each.case for each in chosen)
    key = StudyKey(
        random_token(random),
        plan.seed,
        cases,
        crossover_orders(cases, readers=plan.readers, heatmaps=with_heatmaps, random=random),
    )
    figures = {each.case.token: _draw_scan(each, output / "pages") for each in chosen}
    _write_pages(key, figures, output / "pages")
    write_text(output / "key.json", key_to_json(key))
    return key


def _draw_scan(chosen: SampledScan, folder: Path) -> Figure:
    """Slices through the worst place of the heatmap, else through the middle."""
    scan = read_scan(chosen.ref)
    heatmap: Heatmap | None = load_heatmap(chosen.heatmap) if chosen.heatmap else None
    return draw_figure(scan, heatmap, folder=folder, stem=chosen.case.token)


def _write_pages(key: StudyKey, figures: Mapping[str, Figure], folder: Path) -> None:
    environment = Environment(
        loader=PackageLoader("safegen_reports.reader_study"),
        autoescape=True,
        undefined=StrictUndefined,
    )
    template = environment.get_template("reading.html")
    for asset in sorted(ASSETS.iterdir()):
        write_bytes(folder / "assets" / asset.name, asset.read_bytes())
    write_colour_bar(folder)
    for number, order in enumerate(key.orders, start=1):
        trials = [_trial_context(trial, figures[trial.token]) for trial in order]
        html = template.render(study=key.study, reader=number, trials=trials)
        write_text(folder / f"reader-{number}.html", html)


def _trial_context(trial: Trial, figure: Figure) -> dict[str, object]:
    overlays: Sequence[str | None] = [panel.overlay for panel in figure.panels]
    return {
        **asdict(trial),
        "pictures": [panel.base for panel in figure.panels],
        "overlays": overlays if trial.heatmap else [],
        "letters": [panel.plane.letters for panel in figure.panels],
    }
